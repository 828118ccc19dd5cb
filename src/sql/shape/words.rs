//! Words that end something.

/// No name may be one of these without quotes, so an expression or an alias ends before them.
const STOPS: &[&str] = &[
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cross",
    "desc",
    "else",
    "end",
    "except",
    "fetch",
    "for",
    "force",
    "from",
    "full",
    "group",
    "having",
    "ignore",
    "ilike",
    "in",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "left",
    "like",
    "limit",
    "lock",
    "natural",
    "not",
    "notnull",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "procedure",
    "regexp",
    "returning",
    "right",
    "select",
    "set",
    "similar",
    "straight_join",
    "tablesample",
    "then",
    "union",
    "use",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
    "within",
    "xor",
    "nulls",
    "partition",
    "default",
    "minus",
    "sounds",
    "div",
    "mod",
    "escape",
    "over",
    "collate",
    "separator",
    "do",
];

/// The same, but functions of this name exist: `left (a, 1)`.
const FUNCTIONS_TOO: &[&str] =
    &["left", "right", "mod", "values", "default", "ignore", "replace", "insert", "set"];

pub(super) fn stops(word: &str) -> bool {
    STOPS.contains(&word)
}

pub(super) fn is_function_too(word: &str) -> bool {
    FUNCTIONS_TOO.contains(&word)
}

const AGGREGATES: &[&str] = &[
    "any_value",
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "every",
    "group_concat",
    "json_agg",
    "json_arrayagg",
    "json_object_agg",
    "json_objectagg",
    "jsonb_agg",
    "jsonb_object_agg",
    "max",
    "min",
    "mode",
    "percentile_cont",
    "percentile_disc",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
    "xmlagg",
];

pub(super) fn aggregates(function: &str) -> bool {
    AGGREGATES.contains(&function)
}

/// Words that go on with the name of a type: `double precision`, `timestamp with time zone`, `interval day to second`.
const TYPE_TAILS: &[&str] = &[
    "precision",
    "varying",
    "without",
    "time",
    "zone",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "to",
    "signed",
    "unsigned",
    "int",
    "integer",
    "array",
    "large",
    "object",
    "char",
    "character",
    "binary",
    "charset",
    "set",
];

pub(super) fn goes_on_with_type(word: &str) -> bool {
    TYPE_TAILS.contains(&word)
}

/// Behind `interval ?`.
const UNITS: &[&str] = &[
    "microsecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "second_microsecond",
    "minute_microsecond",
    "minute_second",
    "hour_microsecond",
    "hour_second",
    "hour_minute",
    "day_microsecond",
    "day_second",
    "day_minute",
    "day_hour",
    "year_month",
];

pub(super) fn is_unit(word: &str) -> bool {
    UNITS.contains(&word)
}
