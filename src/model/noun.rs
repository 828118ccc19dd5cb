//! A noun is one kind of thing that a server has many of: a statement, a table, a session.
//!
//! [`noun!`](crate::noun) declares it once. From that single declaration come the struct, the columns that an
//! engine's SQL must produce, the subtraction of two samples, the metric names with their help, the labels,
//! and the form on disk. Adding a counter is a line here and a line in the SQL.

use super::fact::Metric;
use super::name::{Name, Names};
use super::unit::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::Debug;
use std::hash::Hash;

pub use super::field::{Cell, Field, Label, Misfit, read_column, write_column};

/// What every row can tell about itself, whatever its noun; views need no more.
pub trait Row {
    fn labels(&self, each: &mut dyn FnMut(&'static str, &str));
    fn fact(&self, nth: usize) -> Option<f64>;
    /// How much it matters among its like; decides who gets a series of its own.
    fn weight(&self) -> f64;
    /// False for a row that cannot be named yet: it counts in `other`.
    fn named(&self) -> bool;
}

pub trait Noun:
    Row + Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Pairs the rows of two samples. Survives a rename, differs for a recreated object.
    type Key: Ord + Hash + Clone + Debug;
    const NAME: &'static str;
    const TOPIC: &'static str;
    const METRICS: &'static [Metric];
    /// Has this noun so many rows that only the weightiest get series?
    const RANKED: bool;
    /// What tells its series apart.
    const LABELS: &'static [&'static str];
    /// Every field, in declared order: the columns an engine may deliver.
    const COLUMNS: &'static [&'static str];

    fn key(&self) -> Self::Key;
    /// Bytes that it takes without its names.
    fn bytes(&self) -> usize;
    /// Its names, always in the same order.
    fn names<'a>(&'a self, each: &mut dyn FnMut(&'a Name));
    /// Reads one row; `cell(n)` is the cell of `COLUMNS[n]`, `Null` where the engine has no such column.
    fn read<'a>(cell: &mut dyn FnMut(usize) -> Cell<'a>, names: &mut Names) -> Result<Self, Misfit>;
    /// When the server began to count this very row, where it tells.
    fn began(&self) -> Option<Timestamp>;
    /// What a successor takes over together with the counters, if the server ever puts one row in the place of another.
    fn lineage(&self) -> Option<(i64, &str)>;
    fn follows(&self, earlier: &Self) -> bool;
    fn since(&self, earlier: &Self) -> Self;
    /// What the stretch shows of a row that the server counts anew since `earlier`, which is what it was before, if it was.
    fn anew(&self, earlier: Option<&Self>) -> Self;
    fn then(&self, later: &Self) -> Self;
    /// The row as a set of columns, one value of `visit` each.
    fn to_columns(rows: &[Self], visit: &mut dyn FnMut(&'static str, Vec<u8>));
    /// The reverse; a column nobody wrote becomes unknown, or the row set is refused.
    fn from_columns(count: usize, column: &mut dyn FnMut(&str) -> Option<Vec<u8>>) -> Option<Vec<Self>>;
}

/// Facts that few servers tell, each of which may be unknown.
pub trait Seldom: PartialEq + 'static {
    const UNKNOWN: &'static Self;
}

/// Facts in a box of their own, which a row is without where none of them is known. Half of what is told of a statement, and
/// more of a table, only one family of servers tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Apart<T>(Option<Box<T>>);

impl<T: Seldom> Apart<T> {
    pub fn of(facts: T) -> Self {
        Self((facts != *T::UNKNOWN).then(|| Box::new(facts)))
    }

    pub fn get(&self) -> &T {
        self.told().unwrap_or(T::UNKNOWN)
    }

    /// None where all is unknown.
    pub fn told(&self) -> Option<&T> {
        self.0.as_deref()
    }
}

impl<T: Seldom + Serialize> Serialize for Apart<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de, T: Seldom + Deserialize<'de>> Deserialize<'de> for Apart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::of)
    }
}

/// Declares one noun. Sections: `id` pairs samples and is not exported (without it the labels pair), `label`
/// is exported (a bare name exports a field of `id`), `about` describes, `facts` measure, and so do those `apart`, which
/// few servers tell: where none of them is known they take no room. `heir by` names what stays when the server puts another
/// row in the place of one, and hands it the counters.
#[macro_export]
macro_rules! noun {
    (
        $(#[doc = $doc:literal])+
        $name:ident as $noun:literal, topic $topic:literal $(, rank [$($rank:ident),+ $(,)?])? $(, began $began:ident)?
            $(, heir by $of:ident, $called:ident once $fit:ident)? $(, named by $namer:ident)? {
            $(id { $($(#[doc = $id_doc:literal])* $id:ident: $id_ty:ty),* $(,)? })?
            $(label { $($(#[doc = $label_doc:literal])* $label:ident $(: $label_ty:ty)?),* $(,)? })?
            $(about { $($(#[doc = $about_doc:literal])* $about:ident: $about_ty:ty),* $(,)? })?
            $(facts { $($(#[doc = $help:literal])+ $fact:ident: $fact_ty:ty),* $(,)? })?
            $(apart $apart:ident { $($(#[doc = $far_help:literal])+ $far:ident: $far_ty:ty),* $(,)? })?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($($(#[doc = $id_doc])* pub $id: $id_ty,)*)?
            $($($(#[doc = $label_doc])* $(pub $label: $label_ty,)?)*)?
            $($($(#[doc = $about_doc])* pub $about: $about_ty,)*)?
            $($($(#[doc = $help])+ pub $fact: $fact_ty,)*)?
            $(
                #[serde(flatten)]
                pub apart: $crate::model::noun::Apart<$apart>,
            )?
        }

        $(
            #[doc = concat!("What few servers tell of [`", stringify!($name), "`].")]
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
            pub struct $apart { $($(#[doc = $far_help])+ pub $far: $far_ty,)* }

            impl $crate::model::noun::Seldom for $apart {
                const UNKNOWN: &'static Self = &Self { $($far: None,)* };
            }

            /// The facts apart are read like all others.
            impl std::ops::Deref for $name {
                type Target = $apart;
                fn deref(&self) -> &$apart { self.apart.get() }
            }
        )?

        impl $crate::model::noun::Row for $name {
            #[allow(unused_variables)]
            fn labels(&self, each: &mut dyn FnMut(&'static str, &str)) {
                $($(if let Some(text) = $crate::model::noun::Label::text(&self.$label) {
                    each(stringify!($label), &text);
                })*)?
            }

            #[allow(unused_variables, unused_mut, unused_assignments)]
            fn fact(&self, nth: usize) -> Option<f64> {
                let mut at = 0;
                $($(
                    if at == nth { return $crate::model::fact::Fact::float(self.$fact); }
                    at += 1;
                )*)?
                $($(
                    if at == nth { return $crate::model::fact::Fact::float(self.$far); }
                    at += 1;
                )*)?
                None
            }

            fn weight(&self) -> f64 {
                0.0 $($(+ $crate::model::fact::Fact::float(self.$rank).unwrap_or(0.0))+)?
            }

            fn named(&self) -> bool {
                true $(&& self.$namer.is_some())?
            }
        }

        impl $crate::model::noun::Noun for $name {
            type Key = $crate::noun!(@key_type [$($($id_ty,)*)?] [$($($($label_ty,)?)*)?]);
            const NAME: &'static str = $noun;
            const TOPIC: &'static str = $topic;
            const RANKED: bool = false $(|| !stringify!($($rank)+).is_empty())?;
            const METRICS: &'static [$crate::model::fact::Metric] = &[$($($crate::model::fact::Metric {
                noun: $noun,
                field: stringify!($fact),
                unit: <$fact_ty as $crate::model::fact::Fact>::UNIT,
                kind: <$fact_ty as $crate::model::fact::Fact>::KIND,
                help: concat!($($help),+).trim_ascii(),
            },)*)?
            $($($crate::model::fact::Metric {
                noun: $noun,
                field: stringify!($far),
                unit: <$far_ty as $crate::model::fact::Fact>::UNIT,
                kind: <$far_ty as $crate::model::fact::Fact>::KIND,
                help: concat!($($far_help),+).trim_ascii(),
            },)*)?];
            const LABELS: &'static [&'static str] = &[$($(stringify!($label),)*)?];
            const COLUMNS: &'static [&'static str] = &[
                $($(stringify!($id),)*)?
                $($($($crate::noun!(@name $label $label_ty),)?)*)?
                $($(stringify!($about),)*)?
                $($(stringify!($fact),)*)?
                $($(stringify!($far),)*)?
            ];

            fn key(&self) -> Self::Key {
                $crate::noun!(@key self [$($($id,)*)?] [$($($label: $($label_ty)?,)*)?])
            }

            fn bytes(&self) -> usize {
                size_of::<Self>() $(+ self.apart.told().map_or(0, size_of_val::<$apart>))?
            }

            #[allow(unused_variables)]
            fn names<'a>(&'a self, each: &mut dyn FnMut(&'a $crate::model::name::Name)) {
                $($($crate::noun!(@tell self $id $id_ty, each);)*)?
                $($($($crate::noun!(@tell self $label $label_ty, each);)?)*)?
                $($($crate::noun!(@tell self $about $about_ty, each);)*)?
            }

            #[allow(unused_variables, unused_mut, unused_assignments)]
            fn read<'a>(
                cell: &mut dyn FnMut(usize) -> $crate::model::noun::Cell<'a>,
                names: &mut $crate::model::name::Names,
            ) -> Result<Self, $crate::model::noun::Misfit> {
                let mut at = 0;
                let mut next = || { at += 1; cell(at - 1) };
                Ok(Self {
                    $($($id: $crate::noun!(@read $id $id_ty, next, names),)*)?
                    $($($($label: $crate::noun!(@read $label $label_ty, next, names),)?)*)?
                    $($($about: $crate::noun!(@read $about $about_ty, next, names),)*)?
                    $($($fact: $crate::noun!(@read $fact $fact_ty, next, names),)*)?
                    $(apart: $crate::model::noun::Apart::of($apart {
                        $($far: $crate::noun!(@read $far $far_ty, next, names),)*
                    }),)?
                })
            }

            fn began(&self) -> Option<$crate::model::unit::Timestamp> {
                None $(.or(self.$began))?
            }

            fn lineage(&self) -> Option<(i64, &str)> {
                None $(.or(self.$fit.then(|| (self.$of, &*self.$called))))?
            }

            #[allow(unused_variables)]
            fn follows(&self, earlier: &Self) -> bool {
                true $($(&& $crate::model::fact::Fact::follows(self.$fact, earlier.$fact))*)?
                    $($(&& $crate::model::fact::Fact::follows(self.$far, earlier.$far))*)?
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn since(&self, earlier: &Self) -> Self {
                Self {
                    $($($fact: $crate::model::fact::Fact::since(self.$fact, earlier.$fact),)*)?
                    $(apart: $crate::model::noun::Apart::of($apart {
                        $($far: $crate::model::fact::Fact::since(self.$far, earlier.$far),)*
                    }),)?
                    ..self.clone()
                }
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn anew(&self, earlier: Option<&Self>) -> Self {
                Self {
                    $($($fact: $crate::model::fact::Fact::anew(self.$fact, earlier.map(|before| before.$fact)).unwrap_or(self.$fact),)*)?
                    $(apart: $crate::model::noun::Apart::of($apart {
                        $($far: $crate::model::fact::Fact::anew(self.$far, earlier.map(|before| before.$far)).unwrap_or(self.$far),)*
                    }),)?
                    ..self.clone()
                }
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn then(&self, later: &Self) -> Self {
                Self {
                    $($($fact: $crate::model::fact::Fact::then(self.$fact, later.$fact),)*)?
                    $(apart: $crate::model::noun::Apart::of($apart {
                        $($far: $crate::model::fact::Fact::then(self.$far, later.$far),)*
                    }),)?
                    ..later.clone()
                }
            }

            fn to_columns(rows: &[Self], visit: &mut dyn FnMut(&'static str, Vec<u8>)) {
                $($($crate::noun!(@write rows $id $id_ty, visit);)*)?
                $($($($crate::noun!(@write rows $label $label_ty, visit);)?)*)?
                $($($crate::noun!(@write rows $about $about_ty, visit);)*)?
                $($($crate::noun!(@write rows $fact $fact_ty, visit);)*)?
                $($($crate::noun!(@write rows $far $far_ty, visit);)*)?
            }

            fn from_columns(
                count: usize,
                column: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
            ) -> Option<Vec<Self>> {
                $($($crate::noun!(@column $id $id_ty, count, column);)*)?
                $($($($crate::noun!(@column $label $label_ty, count, column);)?)*)?
                $($($crate::noun!(@column $about $about_ty, count, column);)*)?
                $($($crate::noun!(@column $fact $fact_ty, count, column);)*)?
                $($($crate::noun!(@column $far $far_ty, count, column);)*)?
                (0..count).map(|_| Some(Self {
                    $($($id: $id.next()?,)*)?
                    $($($($label: $crate::noun!(@next $label $label_ty),)?)*)?
                    $($($about: $about.next()?,)*)?
                    $($($fact: $fact.next()?,)*)?
                    $(apart: $crate::model::noun::Apart::of($apart { $($far: $far.next()?,)* }),)?
                })).collect()
            }
        }
    };
    (@name $field:ident $ty:ty) => { stringify!($field) };
    (@key_type [] [$($label:ty,)*]) => { ($($label,)*) };
    (@key_type [$($id:ty,)+] [$($label:ty,)*]) => { ($($id,)+) };
    (@key $row:ident [] [$($label:ident: $ty:ty,)*]) => { ($($row.$label.clone(),)*) };
    (@key $row:ident [$($id:ident,)+] [$($rest:tt)*]) => { ($($row.$id.clone(),)+) };
    (@read $field:ident $ty:ty, $next:ident, $names:ident) => {
        <$ty as $crate::model::noun::Field>::read($next(), $names)
            .ok_or($crate::model::noun::Misfit { column: stringify!($field) })?
    };
    (@tell $row:ident $field:ident $ty:ty, $each:ident) => {
        <$ty as $crate::model::noun::Field>::name(&$row.$field).into_iter().for_each(&mut *$each)
    };
    (@write $rows:ident $field:ident $ty:ty, $visit:ident) => {
        $visit(
            stringify!($field),
            $crate::model::noun::write_column(&$rows.iter().map(|row| &row.$field).collect::<Vec<&$ty>>()),
        )
    };
    (@column $field:ident $ty:ty, $count:ident, $column:ident) => {
        let mut $field =
            $crate::model::noun::read_column::<$ty>($count, $column(stringify!($field)))?.into_iter();
    };
    (@next $field:ident $ty:ty) => { $field.next()? };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Statement, Table};
    use crate::rules::tests::made_up::row;
    use serde_json::json;

    #[test]
    fn what_few_servers_tell_is_a_fact_like_others_and_takes_no_room_elsewhere() {
        let statement = |plans: Option<u64>| -> Statement {
            row(json!({"dbid": 1, "userid": 1, "calls": 1, "rows": 1, "exec_seconds": 1.0, "plans": plans}))
        };
        let (before, after, elsewhere) = (statement(Some(3)), statement(Some(5)), statement(None));
        let nth = Statement::METRICS.iter().position(|metric| metric.field == "plans").unwrap();
        assert_eq!((after.fact(nth), elsewhere.fact(nth)), (Some(5.0), None));
        assert_eq!(after.since(&before).fact(nth), Some(2.0));
        assert_eq!(after.then(&before).fact(nth), Some(8.0));
        assert_eq!(after.anew(None).fact(nth), Some(5.0));
        assert!(after.follows(&before) && !before.follows(&after));
        assert!(after.bytes() > elsewhere.bytes() && elsewhere.apart.told().is_none());
        assert!(after.since(&elsewhere).apart.told().is_none(), "known at one end only");
        let json = |row: &Statement| serde_json::to_value(row).unwrap();
        let again: [Statement; 2] =
            [&after, &elsewhere].map(|row| serde_json::from_value(json(row)).unwrap());
        assert_eq!(again, [after, elsewhere]);
        assert!(size_of::<Statement>() <= 336 && size_of::<Table>() <= 312, "there are thousands");
    }

    #[test]
    fn names_are_told_in_their_order() {
        let table: Table =
            row(json!({"oid": 1, "schema": "s", "table": "t", "kind": "r", "persistence": "p",
            "is_partition": false, "engine": "e"}));
        let mut names = Vec::new();
        table.names(&mut |name| names.push(name.to_string()));
        assert_eq!(names, ["s", "t", "r", "p", "e"]);
    }
}
