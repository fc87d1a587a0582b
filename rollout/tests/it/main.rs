//! The judgement as its users meet it: decision timelines, and what must hold whatever happens.

mod evidence;
