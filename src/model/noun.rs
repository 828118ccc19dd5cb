//! A noun is one kind of thing that a server has many of: a statement, a table, a session.
//!
//! [`noun!`](crate::noun) declares it once. From that single declaration come the struct, the columns that an
//! engine's SQL must produce, the subtraction of two samples, the metric names with their help, the labels,
//! and the form on disk. Adding a counter is a line here and a line in the SQL.

use super::fact::{Level, Metric, Total};
use super::name::{Name, Names};
use super::unit::{Timestamp, Unit};
use crate::sql::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;

/// One cell of a result, free of any driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// A column that came back as something its field cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} does not fit its field")]
pub struct Misfit {
    pub column: &'static str,
}

/// What may stand as a field of a noun.
pub trait Field: Sized {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self>;
    /// What stands for a value that was never written, if there is such a thing: never zero.
    fn unknown() -> Option<Self> {
        None
    }
}

/// What may stand as a label.
pub trait Label {
    /// `None` leaves the label out.
    fn text(&self) -> Option<Cow<'_, str>>;
}

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

impl<T: Field> Field for Option<T> {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            // A value its unit cannot hold (-1 for "unknown", NaN) is unknown.
            cell => Some(T::read(cell, names)),
        }
    }
    fn unknown() -> Option<Self> {
        Some(None)
    }
}

impl Field for bool {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        if let Cell::Bool(value) = cell { Some(value) } else { None }
    }
}

impl Field for i64 {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value),
            Cell::Float(value) if value.fract() == 0.0 => Some(value as i64),
            _ => None,
        }
    }
}

impl Field for f64 {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        match cell {
            Cell::Int(value) => Some(value as f64),
            Cell::Float(value) => Some(value),
            _ => None,
        }
    }
}

impl Field for Name {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(names.intern(&text)),
            // What has no name has the empty one, which readers of labels take as absent.
            Cell::Null => Some(names.intern("")),
            _ => None,
        }
    }
}

impl Field for Digest {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        if let Cell::Text(text) = cell { text.parse().ok() } else { None }
    }
}

impl Field for Timestamp {
    fn read(cell: Cell<'_>, names: &mut Names) -> Option<Self> {
        f64::read(cell, names).filter(|t| t.is_finite()).map(Timestamp::new)
    }
}

fn unit<U: Unit>(cell: Cell<'_>) -> Option<U> {
    match cell {
        Cell::Int(value) => U::from_int(value),
        Cell::Float(value) => U::from_float(value),
        _ => None,
    }
}

impl<U: Unit> Field for Total<U> {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        unit(cell).map(Total)
    }
}

impl<U: Unit> Field for Level<U> {
    fn read(cell: Cell<'_>, _: &mut Names) -> Option<Self> {
        unit(cell).map(Level::new)
    }
}

impl Label for Name {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(self.as_str().into())
    }
}

impl Label for bool {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(if *self { "true" } else { "false" }.into())
    }
}

impl Label for Digest {
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(self.to_string().into())
    }
}

impl<T: Label> Label for Option<T> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(Label::text)
    }
}

/// Columns of one field, as `to_columns` writes them.
pub fn write_column<T: Serialize>(values: &[T]) -> Vec<u8> {
    // Serialising numbers, names and tuples of them into memory has no way to fail.
    postcard::to_stdvec(values).unwrap_or_default()
}

pub fn read_column<T: Field + DeserializeOwned>(count: usize, bytes: Option<Vec<u8>>) -> Option<Vec<T>> {
    let values: Vec<T> = match bytes {
        Some(bytes) => postcard::from_bytes(&bytes).ok()?,
        // The field did not exist when this was written.
        None => (0..count).map(|_| T::unknown()).collect::<Option<_>>()?,
    };
    (values.len() == count).then_some(values)
}

/// Declares one noun. Sections: `id` pairs samples and is not exported (without it the labels pair), `label`
/// is exported (a bare name exports a field of `id`), `about` describes, `facts` measure. `heir by` names what stays when
/// the server puts another row in the place of one, and hands it the counters.
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
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($($(#[doc = $id_doc])* pub $id: $id_ty,)*)?
            $($($(#[doc = $label_doc])* $(pub $label: $label_ty,)?)*)?
            $($($(#[doc = $about_doc])* pub $about: $about_ty,)*)?
            $($($(#[doc = $help])+ pub $fact: $fact_ty,)*)?
        }

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
            },)*)?];
            const LABELS: &'static [&'static str] = &[$($(stringify!($label),)*)?];
            const COLUMNS: &'static [&'static str] = &[
                $($(stringify!($id),)*)?
                $($($($crate::noun!(@name $label $label_ty),)?)*)?
                $($(stringify!($about),)*)?
                $($(stringify!($fact),)*)?
            ];

            fn key(&self) -> Self::Key {
                $crate::noun!(@key self [$($($id,)*)?] [$($($label: $($label_ty)?,)*)?])
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
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn since(&self, earlier: &Self) -> Self {
                Self { $($($fact: $crate::model::fact::Fact::since(self.$fact, earlier.$fact),)*)? ..self.clone() }
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn anew(&self, earlier: Option<&Self>) -> Self {
                Self {
                    $($($fact: $crate::model::fact::Fact::anew(self.$fact, earlier.map(|before| before.$fact)).unwrap_or(self.$fact),)*)?
                    ..self.clone()
                }
            }

            #[allow(unused_variables, clippy::needless_update)]
            fn then(&self, later: &Self) -> Self {
                Self { $($($fact: $crate::model::fact::Fact::then(self.$fact, later.$fact),)*)? ..later.clone() }
            }

            fn to_columns(rows: &[Self], visit: &mut dyn FnMut(&'static str, Vec<u8>)) {
                $($($crate::noun!(@write rows $id $id_ty, visit);)*)?
                $($($($crate::noun!(@write rows $label $label_ty, visit);)?)*)?
                $($($crate::noun!(@write rows $about $about_ty, visit);)*)?
                $($($crate::noun!(@write rows $fact $fact_ty, visit);)*)?
            }

            fn from_columns(
                count: usize,
                column: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
            ) -> Option<Vec<Self>> {
                $($($crate::noun!(@column $id $id_ty, count, column);)*)?
                $($($($crate::noun!(@column $label $label_ty, count, column);)?)*)?
                $($($crate::noun!(@column $about $about_ty, count, column);)*)?
                $($($crate::noun!(@column $fact $fact_ty, count, column);)*)?
                (0..count).map(|_| Some(Self {
                    $($($id: $id.next()?,)*)?
                    $($($($label: $crate::noun!(@next $label $label_ty),)?)*)?
                    $($($about: $about.next()?,)*)?
                    $($($fact: $fact.next()?,)*)?
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
