//! What the server is and how it is set up: settings, extensions, collations, roles, rules for clients.

use super::prelude::*;

noun! {
    /// The server itself.
    Server as "server", topic "server" {
        about {
            version: Name,
            version_number: i64,
            system_identifier: Option<i64>,
            timeline: Option<i64>,
            in_recovery: bool,
            started: Option<Timestamp>,
            /// When it last read its configuration.
            configured: Option<Timestamp>,
            last_checkpoint: Option<Timestamp>,
            checksums: Option<bool>,
            catalog_version: Option<i64>,
            block_bytes: Option<i64>,
            wal_segment_bytes: Option<i64>,
            /// The server's clock when it answered; ages are differences to it.
            asked: Option<Timestamp>,
        }
        facts {
            /// Age of the oldest transaction id at the last checkpoint.
            xid_age: Option<Level<Count>>,
            /// Connections it admits.
            connections_max: Option<Level<Count>>,
            /// The part of them kept for superusers.
            reserved_connections: Option<Level<Count>>,
        }
    }
}

noun! {
    /// An error, and how often sessions met it. MySQL 8 and later.
    ServerError as "error", topic "errors", rank [raised], began stats_since {
        id { number: i64, error: Name }
        label { error }
        about {
            /// When it was first met since the server counts.
            stats_since: Option<Timestamp>,
        }
        facts {
            /// Times it was raised.
            raised: Total<Count>,
            /// Of these, the ones that a handler of a stored program took care of.
            handled: Option<Total<Count>>,
        }
    }
}

noun! {
    /// What the server uses its memory for, the most first. MySQL and MariaDB, as far as their instruments are on.
    Memory as "memory", topic "memory" {
        label { purpose: Name }
        facts {
            /// Memory in use.
            bytes: Level<Bytes>,
        }
    }
}

noun! {
    /// A setting, where it comes from, and whether it waits for a restart.
    Setting as "setting", topic "settings" {
        label { setting: Name }
        about {
            /// Absent where it may hold a secret.
            value: Option<Name>,
            default_value: Option<Name>,
            /// The unit of both.
            unit: Option<Name>,
            value_type: Option<Name>,
            /// Who may change it, and when that takes effect.
            context: Name,
            /// Where its value comes from.
            source: Name,
            pending_restart: Option<bool>,
            is_changed: bool,
        }
    }
}

noun! {
    /// An installed extension.
    Extension as "extension", topic "extensions" {
        id { oid: i64 }
        // engine: database
        label {
            database: Option<Name>,
            extension: Name,
        }
        about {
            schema: Name,
            version: Name,
            /// What the server could install; absent if its files are gone.
            available_version: Option<Name>,
        }
    }
}

noun! {
    /// A collation in use: when its library changes, indexes built with it may be wrong.
    Collation as "collation", topic "collations" {
        id { oid: i64, collation: Name }
        // engine: database
        label {
            database: Option<Name>,
            schema: Name,
            collation,
        }
        about {
            /// `c` the C library, `i` ICU, `b` the server itself, `d` the database's default.
            provider: Name,
            recorded_version: Option<Name>,
            actual_version: Option<Name>,
        }
    }
}

noun! {
    /// A role and what it may do. Never its password.
    Role as "role", topic "roles" {
        id { oid: i64 }
        label { role: Name }
        about {
            is_superuser: bool,
            creates_roles: bool,
            creates_databases: bool,
            replicates: bool,
            bypasses_row_security: Option<bool>,
            can_login: Option<bool>,
            /// -1 for any number.
            connections_max: Option<i64>,
            /// Absent if its password never expires.
            valid_until: Option<Timestamp>,
            /// It is the login that asks.
            is_ours: Option<bool>,
            /// Of our own login: what of writing it may do beyond these flags. Absent for others and for superusers.
            writes: Option<Name>,
            /// The same of single schemas: `INSERT, UPDATE ON` and a schema, joined by `; `. MySQL and MariaDB.
            schema_writes: Option<Name>,
        }
    }
}

noun! {
    /// A plugin of MySQL or MariaDB.
    Plugin as "plugin", topic "plugins" {
        label { plugin: Name }
        about {
            kind: Name,
            version: Name,
            status: Name,
            /// The file that it was loaded from; absent if it is part of the server.
            library: Option<Name>,
            load_option: Name,
        }
    }
}

noun! {
    /// A line of the rules by which clients are let in.
    HostRule as "host_rule", topic "host_rules" {
        id { file: Option<Name>, line: i64 }
        about {
            connection: Option<Name>,
            databases: Option<Name>,
            users: Option<Name>,
            address: Option<Name>,
            netmask: Option<Name>,
            method: Option<Name>,
            /// The server cannot read it.
            is_wrong: bool,
        }
    }
}
