//! What an event of a watch means: a change, a fault to wait out, or a reason to list everything once more.

use crate::live::change::Change;
use crate::live::form::{Form, Watched};
use kube::runtime::watcher::{Error, Event};
use kube::{Resource, ResourceExt as _};

/// How often a watch may fail to start before everything is listed once more: the version it asks for may be one that the
/// server never had, as after a restored backup.
const STARTS_MAX: u32 = 5;

/// How often we must be told that we may not look before it is believed: a server that starts refuses everybody until it
/// has read its roles.
const REFUSALS_MAX: u32 = 3;

/// HTTP 410: the version that was asked for is no longer known.
const GONE: u16 = 410;

/// What to do about an event.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Nothing,
    Change(Change),
    /// Wait a while, then go on.
    Pause,
    /// We may not look; wait a while, then go on.
    Forbidden,
    /// Wait a while, then list everything once more.
    Afresh,
}

/// Reads the events of one watch in turn.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The list so far; `None` once it is whole.
    list: Option<Vec<Form>>,
    /// The latest version seen. Versions only grow, so an earlier one shows that events are out of order.
    latest: Option<u128>,
    failed_starts: u32,
    refusals: u32,
}

impl Reader {
    pub(super) fn read<K: Resource + Watched>(&mut self, event: Result<Event<K>, Error>) -> Told {
        match event {
            Err(error) => self.fault(&error),
            Ok(event) => self.event(event),
        }
    }

    fn event<K: Resource + Watched>(&mut self, event: Event<K>) -> Told {
        match event {
            Event::Init => {
                self.list = Some(Vec::new());
                self.latest = None;
                Told::Nothing
            }
            Event::InitApply(object) => {
                self.latest = self.latest.max(version(&object));
                self.list.get_or_insert_default().push(object.form());
                Told::Nothing
            }
            Event::InitDone => {
                self.refusals = 0;
                Told::Change(Change::Listed(self.list.take().unwrap_or_default()))
            }
            Event::Apply(object) => {
                self.in_order(version(&object), || Change::Applied(object.form()))
            }
            Event::Delete(object) => {
                self.in_order(version(&object), || Change::Deleted(object.form().name()))
            }
        }
    }

    /// What comes twice is passed over; what comes too late shows that more may be missing.
    fn in_order(&mut self, version: Option<u128>, change: impl FnOnce() -> Change) -> Told {
        self.failed_starts = 0;
        let Some(version) = version else {
            return Told::Change(change());
        };
        match self.latest {
            Some(latest) if version == latest => Told::Nothing,
            Some(latest) if version < latest => Told::Afresh,
            _ => {
                self.latest = Some(version);
                Told::Change(change())
            }
        }
    }

    fn fault(&mut self, error: &Error) -> Told {
        let code = code(error);
        if code == Some(403) {
            self.refusals += 1;
        }
        match error {
            // The watcher itself would ask for the same version again and again.
            Error::WatchStartFailed(_) if code == Some(GONE) => Told::Afresh,
            Error::WatchStartFailed(_) => self.failed_start(),
            Error::NoResourceVersion => Told::Afresh,
            _ if self.refusals >= REFUSALS_MAX && code == Some(403) => Told::Forbidden,
            _ => Told::Pause,
        }
    }

    fn failed_start(&mut self) -> Told {
        self.failed_starts += 1;
        if self.failed_starts < STARTS_MAX {
            Told::Pause
        } else {
            Told::Afresh
        }
    }
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::WatchError(status) => Some(status.code),
        Error::InitialListFailed(error)
        | Error::WatchStartFailed(error)
        | Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        Error::NoResourceVersion => None,
    }
}

/// Versions are decimal numbers that grow, as Kubernetes 1.35 promises and older servers keep. Of others nothing is known.
fn version<K: Resource>(object: &K) -> Option<u128> {
    object.resource_version()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Service;
    use kube::core::Status;

    fn service(name: &str, version: &str) -> Service {
        let mut service = Service::default();
        service.metadata.name = Some(name.to_owned());
        service.metadata.resource_version = Some(version.to_owned());
        service
    }

    fn listed() -> Reader {
        let mut reader = Reader::default();
        assert_eq!(reader.read::<Service>(Ok(Event::Init)), Told::Nothing);
        let item = Event::InitApply(service("a", "5"));
        assert_eq!(reader.read(Ok(item)), Told::Nothing);
        let list = Change::Listed(vec![service("a", "5").form()]);
        assert_eq!(
            reader.read::<Service>(Ok(Event::InitDone)),
            Told::Change(list)
        );
        reader
    }

    fn refused(code: u16) -> kube::Error {
        kube::Error::Api(Status::failure("no", "No").with_code(code).boxed())
    }

    #[test]
    fn what_comes_twice_is_passed_over_and_what_comes_late_starts_afresh() {
        // version, told
        let applied = |version| Told::Change(Change::Applied(service("b", version).form()));
        let cases = [
            ("5", Told::Nothing),
            ("4", Told::Afresh),
            ("6", applied("6")),
            ("opaque", applied("opaque")),
        ];
        for (version, expected) in cases {
            let told = listed().read(Ok(Event::Apply(service("b", version))));
            assert_eq!(told, expected, "{version}");
        }
    }

    #[test]
    fn a_deletion_that_comes_late_starts_afresh_too() {
        let mut reader = listed();
        let gone = Change::Deleted(service("a", "7").form().name());
        let told = reader.read(Ok(Event::Delete(service("a", "7"))));
        assert_eq!(told, Told::Change(gone));
        let told = reader.read(Ok(Event::Apply(service("a", "6"))));
        assert_eq!(told, Told::Afresh);
    }

    #[test]
    fn a_version_that_is_gone_is_not_asked_for_again() {
        let mut reader = listed();
        let told = reader.read::<Service>(Err(Error::WatchStartFailed(refused(GONE))));
        assert_eq!(told, Told::Afresh);
        // In the stream, the watcher lists by itself.
        let status = Status::failure("gone", "Expired").with_code(GONE).boxed();
        let told = reader.read::<Service>(Err(Error::WatchError(status)));
        assert_eq!(told, Told::Pause);
    }

    #[test]
    fn a_watch_that_never_starts_lists_once_more() {
        let mut reader = listed();
        for _ in 1..STARTS_MAX {
            let told = reader.read::<Service>(Err(Error::WatchStartFailed(refused(500))));
            assert_eq!(told, Told::Pause);
        }
        let told = reader.read::<Service>(Err(Error::WatchStartFailed(refused(500))));
        assert_eq!(told, Told::Afresh);
    }

    #[test]
    fn a_refusal_is_believed_when_it_stays() {
        let mut reader = Reader::default();
        for expected in [Told::Pause, Told::Pause, Told::Forbidden, Told::Forbidden] {
            let told = reader.read::<Service>(Err(Error::InitialListFailed(refused(403))));
            assert_eq!(told, expected);
        }
        assert_eq!(
            reader.read::<Service>(Err(Error::InitialListFailed(refused(500)))),
            Told::Pause
        );
    }
}
