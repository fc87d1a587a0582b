//! The judgement as its users meet it: decision timelines, and what must hold whatever happens.

mod drive;
mod evidence;
mod properties;
mod timelines;
