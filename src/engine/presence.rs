//! How we are called among the sessions of a server, and who else is called like that.

use crate::config::Target;
use crate::model::{Name, Session};
use std::hash::{BuildHasher, Hasher, RandomState};

pub const PROGRAM: &str = "dbsonde";

/// A name for one process that watches, by which another one tells its sessions from its own.
pub fn new_instance() -> Name {
    // Every RandomState has keys of its own.
    let random = RandomState::new().build_hasher().finish();
    Name::new(&format!("{:08x}", random >> 32))
}

/// What our sessions are called in the server. An operator's own name for them is left as it is, and then nobody
/// tells them apart.
pub fn application(target: &Target) -> String {
    let given = target.url.param("application_name").or(target.url.param("fallback_application_name"));
    match (given, &target.instance) {
        (Some(given), _) => given.to_owned(),
        (None, Some(instance)) => format!("{PROGRAM} {instance}"),
        (None, None) => PROGRAM.to_owned(),
    }
}

/// Is this what one of our kind is called, where its operator gave it no other name?
pub fn is_of_our_kind(application: &str) -> bool {
    application == PROGRAM || instance(application).is_some()
}

/// The process that a session belongs to, if it is one of our kind.
pub fn instance(application: &str) -> Option<&str> {
    let instance = application.strip_prefix(PROGRAM)?.strip_prefix(' ')?;
    (instance.len() == 8 && instance.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(instance)
}

/// Notes whose session it is. Its application is then one name for all of us, so that no series comes and goes with a
/// process.
pub fn note(session: &mut Session) {
    session.instance = session.application.as_deref().and_then(instance).map(Name::new);
    if session.instance.is_some() {
        session.application = Some(Name::new(PROGRAM));
    }
}

/// Is it a session of this process? A pooler hides its number, but not its name.
pub fn is_ours(session: &Session, target: &Target) -> bool {
    target.instance.is_some() && session.instance == target.instance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_process() {
        let mut target = Target::new("postgres://u@h/d".parse().unwrap());
        assert_eq!((application(&target).as_str(), instance("dbsonde")), ("dbsonde", None));
        let own = new_instance();
        target.instance = Some(own.clone());
        assert_eq!(instance(&application(&target)), Some(&*own));
        for other in
            ["dbsonde 1234567", "dbsonde 1234567g", "dbsonde-12345678", "12345678", "dbsondes 12345678"]
        {
            assert_eq!(instance(other), None, "{other}");
        }
        let mut given = Target::new("postgres://u@h/d?application_name=mine".parse().unwrap());
        given.instance = Some(own);
        assert_eq!(application(&given), "mine");
    }
}
