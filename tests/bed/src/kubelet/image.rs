//! Which program an image stands for.

/// What a container runs when it does not say so itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The program's path in the container.
    pub(super) program: String,
    /// Its arguments where the container gives none.
    pub(super) args: Vec<String>,
}

/// Where Haldane's programs are in a container.
pub(super) const PROGRAMS: &str = "/app";
/// All of them that a container may have.
pub(super) const NAMES: [&str; 3] = ["haldane", "haldane-proxy", "haldane-controller"];

/// An image's last name, its program, and the program's arguments, where `TAG` is the image's tag.
const IMAGES: [(&str, &str, &[&str]); 6] = [
    (
        "echo",
        "haldane",
        &[
            "echo",
            "--listen",
            "0.0.0.0:8080",
            "--name",
            "$(HOSTNAME)",
            "--version",
            "TAG",
        ],
    ),
    ("haldane", "haldane", &[]),
    ("haldane-proxy", "haldane-proxy", &[]),
    ("proxy", "haldane-proxy", &[]),
    ("haldane-controller", "haldane-controller", &[]),
    ("controller", "haldane-controller", &[]),
];

impl Image {
    /// The image that `reference` names, as `registry/repository/name:tag`; none that is unknown here.
    pub(super) fn find(reference: &str) -> Option<Self> {
        let last = reference.rsplit('/').next()?;
        let last = last.split('@').next()?;
        let (name, tag) = last.split_once(':').unwrap_or((last, "latest"));
        let (_, program, args) = IMAGES.iter().find(|(known, ..)| *known == name)?;
        let args = args.iter().map(|&arg| if arg == "TAG" { tag } else { arg });
        Some(Self {
            program: format!("{PROGRAMS}/{program}"),
            args: args.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reference: &str, expected: Option<&str>) {
        let found = Image::find(reference);
        let found = found.map(|image| format!("{} {}", image.program, image.args.join(" ")));
        assert_eq!(found.as_deref(), expected, "{reference}");
    }

    #[test]
    fn an_image_is_a_program() {
        let echo = |tag: &str| {
            format!("/app/haldane echo --listen 0.0.0.0:8080 --name $(HOSTNAME) --version {tag}")
        };
        check("haldane.test/echo:0.1.0", Some(&echo("0.1.0")));
        check("localhost:5000/a/echo", Some(&echo("latest")));
        check("haldane/proxy:1@sha256:00", Some("/app/haldane-proxy "));
        check("haldane-controller", Some("/app/haldane-controller "));
        check("nginx:1", None);
    }
}
