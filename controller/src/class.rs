//! Which Ingresses are ours.

use crate::objects::{Described, Objects, Sourced};
use crate::problem::Problem;
use crate::translate::Options;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

/// What our IngressClasses have as `spec.controller`.
pub const CONTROLLER: &str = "haldane.dev/ingress";

/// The older way to name a class.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Marks the IngressClass of Ingresses that name none.
const IS_DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// Decides by class.
pub(crate) struct Classes<'a> {
    options: &'a Options,
    classes: &'a [Sourced<IngressClass>],
}

impl<'a> Classes<'a> {
    pub(crate) fn new(objects: &'a Objects, options: &'a Options) -> Self {
        Self {
            options,
            classes: &objects.ingress_classes,
        }
    }

    /// Whether the Ingress is ours to serve. In `serve`, where no other controller looks on, one that is not is reported.
    pub(crate) fn serves(&self, ingress: &Sourced<Ingress>, problems: &mut Vec<Problem>) -> bool {
        let spec = ingress.object.spec.as_ref();
        let field = spec.and_then(|spec| spec.ingress_class_name.as_deref());
        let annotation = ingress.annotation(CLASS);
        if let (Some(field), Some(annotation)) = (field, annotation) {
            self.warn_twice(ingress, field, annotation, problems);
        }
        match field.or(annotation) {
            Some(class) if self.is_ours(class) => true,
            Some(class) => {
                self.warn_foreign(ingress, class, problems);
                false
            }
            None => self.options.standalone || self.default_is_ours(),
        }
    }

    /// The class that we are told to serve, and every class that names us as its controller.
    fn is_ours(&self, class: &str) -> bool {
        let named = self.classes.iter().find(|known| known.name() == class);
        class == self.options.class || named.is_some_and(names_us)
    }

    fn default_is_ours(&self) -> bool {
        let is_default =
            |class: &&Sourced<IngressClass>| class.annotation(IS_DEFAULT) == Some("true");
        let mut defaults = self.classes.iter().filter(is_default);
        defaults.any(|class| self.is_ours(class.name()))
    }

    fn warn_twice(
        &self,
        ingress: &Sourced<Ingress>,
        field: &str,
        annotation: &str,
        problems: &mut Vec<Problem>,
    ) {
        if field != annotation && self.is_ours(field) != self.is_ours(annotation) {
            let message =
                format!("names class {annotation:?}, but spec.ingressClassName {field:?} wins");
            problems.push(ingress.subject().annotation(CLASS).warning(message));
        }
    }

    fn warn_foreign(&self, ingress: &Sourced<Ingress>, class: &str, problems: &mut Vec<Problem>) {
        if self.options.standalone {
            let message = format!(
                "class {class:?} is not served here, only {:?}",
                self.options.class
            );
            problems.push(
                ingress
                    .subject()
                    .at("spec.ingressClassName")
                    .warning(message),
            );
        }
    }
}

fn names_us(class: &Sourced<IngressClass>) -> bool {
    let spec = class.object.spec.as_ref();
    spec.and_then(|spec| spec.controller.as_deref()) == Some(CONTROLLER)
}
