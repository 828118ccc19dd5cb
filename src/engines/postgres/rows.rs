//! A cell of PostgreSQL's binary protocol becomes a cell of ours, by its type.

use crate::engine::layout::Record;
use crate::model::noun::Cell;
use std::borrow::Cow;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Kind, Type};

/// Seconds from 1970 to 2000, where PostgreSQL's calendar begins.
const POSTGRES_EPOCH: f64 = 946_684_800.0;

/// The bytes of a cell, whatever its type.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw)))
    }
    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Record for Row {
    fn cell(&self, column: usize) -> Cell<'_> {
        let (Some(described), Ok(Raw(Some(bytes)))) = (self.columns().get(column), self.try_get(column))
        else {
            return Cell::Null;
        };
        decode(described.type_(), bytes)
    }
}

/// The binary form of the types that our SQL produces. Anything else reads as unknown.
fn decode<'a>(ty: &Type, bytes: &'a [u8]) -> Cell<'a> {
    match *ty {
        Type::BOOL => Cell::Bool(bytes.first() == Some(&1)),
        Type::INT2 => int(bytes, |b| i64::from(i16::from_be_bytes(b))),
        Type::INT4 => int(bytes, |b| i64::from(i32::from_be_bytes(b))),
        Type::OID | Type::XID | Type::CID | Type::REGCLASS | Type::REGTYPE => {
            int(bytes, |b| i64::from(u32::from_be_bytes(b)))
        }
        Type::INT8 | Type::PG_LSN => int(bytes, i64::from_be_bytes),
        Type::FLOAT4 => float(bytes, |b| f64::from(f32::from_be_bytes(b))),
        Type::FLOAT8 => float(bytes, f64::from_be_bytes),
        Type::NUMERIC => numeric(bytes).map_or(Cell::Null, Cell::Float),
        Type::TIMESTAMPTZ | Type::TIMESTAMP => match bytes.try_into().map(i64::from_be_bytes) {
            // `infinity` is a value of its own, not a time.
            Ok(i64::MIN | i64::MAX) | Err(_) => Cell::Null,
            Ok(microseconds) => Cell::Float(microseconds as f64 / 1e6 + POSTGRES_EPOCH),
        },
        Type::INTERVAL => interval(bytes).map_or(Cell::Null, Cell::Float),
        // An empty "char" is a zero byte.
        Type::CHAR if bytes == [0] => Cell::Text(Cow::Borrowed("")),
        Type::CHAR => Cell::Text(String::from_utf8_lossy(bytes)),
        Type::INET | Type::CIDR => inet(bytes).map_or(Cell::Null, |text| Cell::Text(Cow::Owned(text))),
        _ => match ty.kind() {
            Kind::Array(element) => list(element, bytes),
            _ => Cell::Text(String::from_utf8_lossy(bytes)),
        },
    }
}

fn int<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Cell<'static> {
    bytes.try_into().map_or(Cell::Null, |bytes| Cell::Int(read(bytes)))
}

fn float<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Cell<'static> {
    bytes.try_into().map_or(Cell::Null, |bytes| Cell::Float(read(bytes)))
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Digits to base 10,000, most significant first; a float holds every counter that matters.
fn numeric(mut bytes: &[u8]) -> Option<f64> {
    let digits = i16::from_be_bytes(take(&mut bytes)?);
    let weight = i16::from_be_bytes(take(&mut bytes)?);
    let sign = u16::from_be_bytes(take(&mut bytes)?);
    take::<2>(&mut bytes)?;
    let mut value = 0.0;
    for nth in 0..digits {
        let digit = f64::from(i16::from_be_bytes(take(&mut bytes)?));
        value += digit * 10_000f64.powi(i32::from(weight) - i32::from(nth));
    }
    match sign {
        0 => Some(value),
        0x4000 => Some(-value),
        _ => None,
    }
}

fn interval(mut bytes: &[u8]) -> Option<f64> {
    let microseconds = i64::from_be_bytes(take(&mut bytes)?);
    let days = i32::from_be_bytes(take(&mut bytes)?);
    let months = i32::from_be_bytes(take(&mut bytes)?);
    Some(microseconds as f64 / 1e6 + f64::from(days) * 86_400.0 + f64::from(months) * 2_592_000.0)
}

fn inet(bytes: &[u8]) -> Option<String> {
    let [_family, _bits, _is_cidr, _length, address @ ..] = bytes else { return None };
    match address.len() {
        4 => <[u8; 4]>::try_from(address).ok().map(|a| std::net::Ipv4Addr::from(a).to_string()),
        16 => <[u8; 16]>::try_from(address).ok().map(|a| std::net::Ipv6Addr::from(a).to_string()),
        _ => None,
    }
}

/// A flat array as its elements with commas between.
fn list<'a>(element: &Type, mut bytes: &'a [u8]) -> Cell<'a> {
    let mut read = || {
        let dimensions = i32::from_be_bytes(take(&mut bytes)?);
        take::<8>(&mut bytes)?;
        let count = if dimensions == 0 { 0 } else { i32::from_be_bytes(take(&mut bytes)?) };
        if dimensions > 0 {
            take::<4>(&mut bytes)?;
        }
        let mut texts = Vec::new();
        for _ in 0..count {
            let length = i32::from_be_bytes(take(&mut bytes)?);
            let (value, rest) = bytes.split_at_checked(usize::try_from(length).unwrap_or(0))?;
            bytes = rest;
            texts.push(match decode(element, value) {
                Cell::Int(value) => value.to_string(),
                Cell::Float(value) => value.to_string(),
                Cell::Text(text) => text.into_owned(),
                Cell::Bool(value) => value.to_string(),
                Cell::Null => String::new(),
            });
        }
        Some(Cell::Text(Cow::Owned(texts.join(","))))
    };
    read().unwrap_or(Cell::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_decode() {
        // 12345.67 = [1, 2345, 6700], weight 1
        let bytes = [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 41, 26, 44];
        assert_eq!(numeric(&bytes), Some(12345.67));
        assert_eq!(numeric(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), None, "NaN");
        assert_eq!(numeric(&[0]), None);
    }
}
