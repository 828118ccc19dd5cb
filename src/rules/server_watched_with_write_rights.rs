use crate::model::{Flavour, Confidence, Finding, Fix, Name, Role, Severity, Topic, evidence};
use crate::rule::{Rule, Seen, Word};
use crate::script;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// # Watched by a login that may write
///
/// dbsonde is connected as a superuser, or as a login that may change the server. It needs neither.
///
/// ## Why it hurts
///
/// dbsonde never writes, and its sessions are read-only. But its password lies on one more machine, and whoever
/// gets hold of it is not bound by our manners: with these rights he owns the data, or the machine below it.
///
/// ## What to do
///
/// Let `dbsonde grants` print a login of its own with just the rights that watching needs, and name it in the
/// target's URL. Or take the rights from this one, if nobody else works with it.
///
/// ## When this page is wrong
///
/// On a laptop, or for a first look. Accept what you know of in `accepted`. On PostgreSQL it asks about the rights on the
/// first thousand tables of the database that is being looked at; on MySQL and MariaDB about rights on everything and on
/// whole schemas, neither on single tables nor by roles. So its silence is no proof.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerWatchedWithWriteRights {
    /// Rights of which nobody needs to hear, in the words of the evidence, for example "creates databases".
    accepted: Vec<String>,
}

impl Rule for ServerWatchedWithWriteRights {
    const ID: &'static str = "server-watched-with-write-rights";
    const NEEDS: &'static [Topic] = &[Topic::Roles];

    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a {
        let ours = |role: &&Role| role.is_ours == Some(true);
        let beyond = move |role: &'a Role| {
            let rights = rights(role, seen.flavour).into_iter().filter(|right| !self.accepted.iter().any(|known| known == right));
            (role, rights.collect::<Vec<_>>())
        };

        let watching = seen.now.rows::<Role>().filter(ours).map(beyond);
        watching
            .filter(|(_, rights)| !rights.is_empty())
            .map(move |(role, rights)| finding(role, &rights, seen.flavour).into())
    }
}

/// What a login may do that watching does not need. A superuser may do all, so nothing else is named.
fn rights(role: &Role, flavour: Flavour) -> Vec<&str> {
    if role.is_superuser {
        return vec!["superuser"];
    }
    let mut rights = Vec::new();
    if flavour == Flavour::Postgres && role.creates_roles {
        rights.push("creates roles");
    }
    if flavour == Flavour::Postgres && role.creates_databases {
        rights.push("creates databases");
    }
    rights.extend(role.writes.iter().flat_map(|writes| writes.split(", ")).filter(|right| !right.is_empty()));
    rights.extend(role.schema_writes.iter().flat_map(|writes| writes.split("; ")));
    rights
}

/// What takes a right away and gives it back. The first superuser of a server cannot lose his.
fn fix(role: &Role, rights: &[&str]) -> Option<Fix> {
    const FIRST: i64 = 10;
    let name = script::identifier(&role.role);
    let attributes: Vec<&str> = rights
        .iter()
        .filter_map(|right| match *right {
            "superuser" if role.oid != FIRST => Some("SUPERUSER"),
            "creates roles" => Some("CREATEROLE"),
            "creates databases" => Some("CREATEDB"),
            _ => None,
        })
        .collect();
    let mut sql: Vec<String> = attributes.iter().map(|right| format!("ALTER ROLE {name} NO{right};")).collect();
    if attributes.contains(&"SUPERUSER") {
        sql.insert(0, format!("GRANT pg_monitor TO {name};"));
    }
    (!attributes.is_empty()).then(|| Fix {
        sql,
        rollback: attributes.iter().map(|right| format!("ALTER ROLE {name} {right};")).collect(),
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: true,
        caution: "Whoever else works with this login loses the right as well. It keeps pg_monitor.".into(),
    })
}

/// How it begins to be said that there was no room for all.
const MORE: &str = "and ";

/// The same in MySQL and MariaDB, where a right bears its own name. Whoever may do all is somebody's administrator.
fn revoke(role: &Role, rights: &[&str]) -> Option<Fix> {
    let login = &role.role;
    // What was granted on a schema says so itself; `and 3 more` is no right.
    let (in_schemas, everywhere): (Vec<&str>, Vec<&str>) = rights.iter().copied().partition(|right: &&str| right.contains(" ON `"));
    let everywhere: Vec<&str> = everywhere.into_iter().filter(|right| !right.starts_with(MORE)).collect();
    let everywhere = (!everywhere.is_empty()).then(|| format!("{} ON *.*", everywhere.join(", ")));
    let grants: Vec<String> = everywhere.into_iter().chain(in_schemas.into_iter().map(str::to_owned)).collect();
    (!role.is_superuser && !grants.is_empty()).then(|| Fix {
        sql: grants.iter().map(|grant| format!("REVOKE {grant} FROM {login};")).collect(),
        rollback: grants.iter().map(|grant| format!("GRANT {grant} TO {login};")).collect(),
        lock: String::new(),
        blocks: "nobody".into(),
        transactional: false,
        caution: "Whoever else works with this login loses the right as well, from the next statement on; on a schema, from when it \
                  next chooses that schema. Rights on single tables are not looked at."
            .into(),
    })
}

fn finding(role: &Role, rights: &[&str], flavour: Flavour) -> Finding {
    let is_superuser = rights.contains(&"superuser");
    let (count, these) = (rights.len(), rights.join(", "));
    let noun = if count == 1 { "right" } else { "rights" };
    Finding {
        rule: Name::new(ServerWatchedWithWriteRights::ID),
        severity: if is_superuser { Severity::Warning } else { Severity::Note },
        database: None,
        subject: role.role.to_string(),
        because: format!("dbsonde is connected as {}, with {count} {noun} that watching does not need: {these}", role.role),
        evidence: evidence([("login", json!(role.role)), ("rights", json!(rights))]),
        advice: "Give dbsonde a login of its own: `dbsonde grants` prints one.".into(),
        fix: if flavour == Flavour::Postgres { fix(role, rights) } else { revoke(role, rights) },
        confidence: Confidence::Measured,
    }
}
