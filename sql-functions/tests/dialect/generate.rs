//! Expressions of MySQL, from a seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub struct Generator {
    random: StdRng,
}

/// What an expression gives.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Int,
    Decimal,
    Double,
    Text,
    Date,
    Moment,
    Time,
    Json,
    Pattern,
    Truth,
}
use Kind::{Date, Decimal, Double, Int, Json, Moment, Pattern, Text, Time, Truth};

/// Those that an expression is made of; JSON and patterns are only given to functions.
const KINDS: [Kind; 8] = [Int, Decimal, Double, Text, Date, Moment, Time, Truth];

/// Functions, what they give and what they take.
const FUNCTIONS: &[(Kind, &str, &[Kind])] = &[
    (Int, "abs", &[Int]),
    (Int, "sign", &[Decimal]),
    (Int, "ceil", &[Decimal]),
    (Int, "floor", &[Decimal]),
    (Int, "length", &[Text]),
    (Int, "char_length", &[Text]),
    (Int, "ascii", &[Text]),
    (Int, "locate", &[Text, Text]),
    (Int, "instr", &[Text, Text]),
    (Int, "strcmp", &[Text, Text]),
    (Int, "field", &[Text, Text, Text]),
    (Int, "find_in_set", &[Text, Text]),
    (Int, "bit_count", &[Int]),
    (Int, "crc32", &[Text]),
    (Int, "year", &[Date]),
    (Int, "month", &[Date]),
    (Int, "dayofmonth", &[Moment]),
    (Int, "dayofweek", &[Date]),
    (Int, "dayofyear", &[Date]),
    (Int, "weekday", &[Date]),
    (Int, "weekofyear", &[Date]),
    (Int, "quarter", &[Date]),
    (Int, "hour", &[Moment]),
    (Int, "minute", &[Moment]),
    (Int, "second", &[Moment]),
    (Int, "datediff", &[Date, Moment]),
    (Int, "to_days", &[Date]),
    (Int, "unix_timestamp", &[Moment]),
    (Int, "ord", &[Text]),
    (Int, "bit_length", &[Text]),
    (Int, "octet_length", &[Text]),
    (Int, "character_length", &[Text]),
    (Int, "isnull", &[Text]),
    (Int, "isnull", &[Int]),
    (Int, "ceiling", &[Double]),
    (Int, "day", &[Date]),
    (Int, "week", &[Date]),
    (Int, "week", &[Date, Int]),
    (Int, "yearweek", &[Date]),
    (Int, "yearweek", &[Moment, Int]),
    (Int, "microsecond", &[Moment]),
    (Int, "microsecond", &[Time]),
    (Int, "hour", &[Time]),
    (Int, "minute", &[Time]),
    (Int, "second", &[Time]),
    (Int, "time_to_sec", &[Time]),
    (Int, "to_seconds", &[Moment]),
    (Int, "nullif", &[Int, Int]),
    (Int, "greatest", &[Int, Int, Int]),
    (Int, "least", &[Int, Int]),
    (Int, "mod", &[Int, Int]),
    (Int, "inet_aton", &[Text]),
    (Int, "is_ipv4", &[Text]),
    (Int, "regexp_instr", &[Text, Pattern]),
    (Int, "json_valid", &[Json]),
    (Int, "json_valid", &[Text]),
    (Int, "json_length", &[Json]),
    (Int, "json_depth", &[Json]),
    (Decimal, "nullif", &[Decimal, Decimal]),
    (Decimal, "greatest", &[Decimal, Int]),
    (Decimal, "least", &[Decimal, Decimal]),
    (Decimal, "mod", &[Decimal, Int]),
    (Decimal, "unix_timestamp", &[Moment]),
    (Decimal, "abs", &[Decimal]),
    (Decimal, "round", &[Decimal]),
    (Double, "sqrt", &[Int]),
    (Double, "ln", &[Int]),
    (Double, "log10", &[Decimal]),
    (Double, "sin", &[Int]),
    (Double, "atan", &[Decimal]),
    (Double, "radians", &[Int]),
    (Double, "degrees", &[Decimal]),
    (Double, "exp", &[Decimal]),
    (Double, "log", &[Decimal]),
    (Double, "log", &[Int, Decimal]),
    (Double, "log2", &[Int]),
    (Double, "cos", &[Decimal]),
    (Double, "tan", &[Int]),
    (Double, "cot", &[Decimal]),
    (Double, "asin", &[Decimal]),
    (Double, "acos", &[Decimal]),
    (Double, "atan2", &[Int, Decimal]),
    (Double, "round", &[Double]),
    (Double, "abs", &[Double]),
    (Double, "pi", &[]),
    (Double, "greatest", &[Double, Int]),
    (Text, "concat", &[Text, Text]),
    (Text, "concat", &[Int, Decimal]),
    (Text, "concat_ws", &[Text, Text, Text]),
    (Text, "upper", &[Text]),
    (Text, "lower", &[Text]),
    (Text, "reverse", &[Text]),
    (Text, "trim", &[Text]),
    (Text, "ltrim", &[Text]),
    (Text, "rtrim", &[Text]),
    (Text, "hex", &[Text]),
    (Text, "hex", &[Int]),
    (Text, "bin", &[Int]),
    (Text, "oct", &[Int]),
    (Text, "md5", &[Text]),
    (Text, "quote", &[Text]),
    (Text, "soundex", &[Text]),
    (Text, "replace", &[Text, Text, Text]),
    (Text, "dayname", &[Date]),
    (Text, "monthname", &[Date]),
    (Text, "lcase", &[Text]),
    (Text, "ucase", &[Text]),
    (Text, "sha1", &[Text]),
    (Text, "sha2", &[Text, Int]),
    (Text, "space", &[Int]),
    (Text, "to_base64", &[Text]),
    (Text, "from_base64", &[Text]),
    (Text, "unhex", &[Text]),
    (Text, "insert", &[Text, Int, Int, Text]),
    (Text, "mid", &[Text, Int, Int]),
    (Text, "make_set", &[Int, Text, Text, Text]),
    (Text, "export_set", &[Int, Text, Text]),
    (Text, "conv", &[Int, Int, Int]),
    (Text, "conv", &[Text, Int, Int]),
    (Text, "char", &[Int, Int]),
    (Text, "format", &[Decimal, Int]),
    (Text, "format", &[Double, Int]),
    (Text, "nullif", &[Text, Text]),
    (Text, "greatest", &[Text, Text]),
    (Text, "least", &[Text, Text, Text]),
    (Text, "inet_ntoa", &[Int]),
    (Text, "regexp_replace", &[Text, Pattern, Text]),
    (Text, "regexp_substr", &[Text, Pattern]),
    (Text, "json_type", &[Json]),
    (Text, "json_quote", &[Text]),
    (Text, "json_unquote", &[Json]),
    (Date, "last_day", &[Date]),
    (Date, "date", &[Moment]),
    (Date, "from_days", &[Int]),
    (Date, "makedate", &[Int, Int]),
    (Moment, "timestamp", &[Date]),
    (Moment, "timestamp", &[Moment, Time]),
    (Moment, "addtime", &[Moment, Time]),
    (Moment, "subtime", &[Moment, Time]),
    (Moment, "from_unixtime", &[Int]),
    (Moment, "adddate", &[Moment, Int]),
    (Moment, "subdate", &[Moment, Int]),
    (Moment, "greatest", &[Moment, Moment]),
    (Time, "time", &[Moment]),
    (Time, "sec_to_time", &[Int]),
    (Time, "maketime", &[Int, Int, Int]),
    (Time, "timediff", &[Moment, Moment]),
    (Time, "timediff", &[Time, Time]),
    (Time, "addtime", &[Time, Time]),
    (Time, "subtime", &[Time, Time]),
];

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// The next expression.
    pub fn expression(&mut self) -> String {
        let kind = self.one(&KINDS);
        let depth = self.random.random_range(1..=3);
        self.of(kind, depth)
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())]
    }

    fn any(&mut self, depth: usize) -> String {
        let kind = self.one(&KINDS);
        self.of(kind, depth)
    }

    fn number(&mut self, depth: usize) -> String {
        let kind = self.one(&[Int, Int, Decimal, Double]);
        self.of(kind, depth)
    }

    fn of(&mut self, kind: Kind, depth: usize) -> String {
        if self.random.random_ratio(1, 25) {
            return "NULL".into();
        }
        if depth == 0 {
            return self.literal(kind);
        }
        let functions: Vec<_> = FUNCTIONS.iter().filter(|(gives, ..)| *gives == kind).collect();
        match self.random.random_range(0..6) {
            0 | 1 if !functions.is_empty() => {
                let (_, name, takes) = self.one(&functions);
                let args: Vec<String> =
                    takes.iter().map(|kind| self.of(*kind, depth - 1)).collect();
                format!("{name}({})", args.join(", "))
            }
            2 => {
                let (a, b) = (self.of(kind, depth - 1), self.of(kind, depth - 1));
                match self.random.random_range(0..4) {
                    0 => format!("if({}, {a}, {b})", self.of(Truth, depth - 1)),
                    1 => format!("ifnull({a}, {b})"),
                    2 => format!("case when {} then {a} else {b} end", self.of(Truth, depth - 1)),
                    _ => format!("coalesce({a}, {b})"),
                }
            }
            _ => self.operator(kind, depth - 1),
        }
    }

    fn operator(&mut self, kind: Kind, depth: usize) -> String {
        match kind {
            Int => match self.random.random_range(0..9) {
                6 => {
                    let unit =
                        self.one(&["DAY", "MONTH", "YEAR", "HOUR", "SECOND", "WEEK", "QUARTER"]);
                    let (a, b) = (self.of(Moment, depth), self.of(Moment, depth));
                    format!("timestampdiff({unit}, {a}, {b})")
                }
                7 => {
                    let unit = self.one(&[
                        "YEAR",
                        "MONTH",
                        "DAY",
                        "HOUR",
                        "MINUTE",
                        "SECOND",
                        "QUARTER",
                        "YEAR_MONTH",
                        "DAY_HOUR",
                        "HOUR_SECOND",
                    ]);
                    format!("extract({unit} FROM {})", self.of(Moment, depth))
                }
                8 => format!(
                    "{}({}, {})",
                    self.one(&["period_add", "period_diff"]),
                    self.one(&["202601", "199912", "2402"]),
                    self.one(&["3", "202405", "13"])
                ),
                0 => format!(
                    "({} {} {})",
                    self.of(Int, depth),
                    self.one(&["+", "-", "*"]),
                    self.of(Int, depth)
                ),
                1 => format!(
                    "({} {} {})",
                    self.number(depth),
                    self.one(&["DIV", "DIV"]),
                    self.of(Int, depth)
                ),
                2 => format!("({} % {})", self.of(Int, depth), self.of(Int, depth)),
                3 => format!(
                    "({} {} {})",
                    self.of(Int, depth),
                    self.one(&["&", "|", "^"]),
                    self.of(Int, depth)
                ),
                4 => format!("cast({} as signed)", self.any(depth)),
                _ => format!("-{}", self.literal(Int)),
            },
            Decimal => match self.random.random_range(0..5) {
                0 => format!(
                    "({} {} {})",
                    self.of(Decimal, depth),
                    self.one(&["+", "-", "*"]),
                    self.of(Int, depth)
                ),
                1 => format!("({} / {})", self.of(Int, depth), self.of(Int, depth)),
                2 => format!("({} % {})", self.of(Decimal, depth), self.of(Decimal, depth)),
                3 => format!(
                    "round({}, {})",
                    self.of(Decimal, depth),
                    self.random.random_range(-2..3)
                ),
                _ => format!(
                    "truncate({}, {})",
                    self.of(Decimal, depth),
                    self.random.random_range(-2..3)
                ),
            },
            Double => match self.random.random_range(0..3) {
                0 => format!(
                    "({} {} {})",
                    self.of(Double, depth),
                    self.one(&["+", "-", "*", "/"]),
                    self.number(depth)
                ),
                1 => format!("({} + {})", self.of(Text, depth), self.of(Int, depth)),
                _ => {
                    format!("power({}, {})", self.literal(Decimal), self.random.random_range(0..4))
                }
            },
            Text => match self.random.random_range(0..9) {
                7 => format!(
                    "time_format({}, '{}')",
                    self.of(Time, depth),
                    self.one(&["%H:%i:%s", "%h %p", "%k.%l", "%T %f"])
                ),
                8 => format!(
                    "trim({} {} FROM {})",
                    self.one(&["LEADING", "TRAILING", "BOTH"]),
                    self.of(Text, 0),
                    self.of(Text, depth)
                ),
                0 => format!(
                    "substring({}, {}, {})",
                    self.of(Text, depth),
                    self.random.random_range(-4..5),
                    self.random.random_range(-1..5)
                ),
                1 => format!(
                    "{}({}, {})",
                    self.one(&["left", "right", "repeat"]),
                    self.of(Text, depth),
                    self.random.random_range(-1..5)
                ),
                2 => format!(
                    "{}({}, {}, {})",
                    self.one(&["lpad", "rpad"]),
                    self.of(Text, depth),
                    self.random.random_range(0..7),
                    self.of(Text, 0)
                ),
                3 => format!(
                    "substring_index({}, {}, {})",
                    self.of(Text, depth),
                    self.of(Text, 0),
                    self.random.random_range(-2..3)
                ),
                4 => format!("cast({} as char)", self.any(depth)),
                5 => format!(
                    "date_format({}, '{}')",
                    self.of(Moment, depth),
                    self.one(&[
                        "%Y-%m-%d",
                        "%H:%i:%s",
                        "%W %D %M %y",
                        "%j %U %u %V %v %X %x",
                        "%l %p %T %r"
                    ])
                ),
                _ => format!(
                    "elt({}, {}, {})",
                    self.random.random_range(0..4),
                    self.of(Text, depth),
                    self.of(Text, depth)
                ),
            },
            Date => {
                let unit = self.one(&["DAY", "MONTH", "YEAR", "WEEK", "QUARTER"]);
                let sign = self.one(&["date_add", "date_sub"]);
                format!(
                    "{sign}({}, INTERVAL {} {unit})",
                    self.of(Date, depth),
                    self.random.random_range(-40..40)
                )
            }
            Moment if self.random.random_ratio(1, 3) => {
                let (text, format) = self.one(&[
                    ("2026-01-31 10:11:12", "%Y-%m-%d %H:%i:%s"),
                    ("31.1.26 5 PM", "%d.%c.%y %l %p"),
                    ("Jan 5 2024", "%b %e %Y"),
                    ("10:11", "%H:%i"),
                    ("2026-02-30", "%Y-%m-%d"),
                ]);
                format!("str_to_date('{text}', '{format}')")
            }
            Moment => {
                let unit = self.one(&["DAY", "MONTH", "HOUR", "MINUTE", "SECOND"]);
                format!(
                    "({} + INTERVAL {} {unit})",
                    self.of(Moment, depth),
                    self.random.random_range(-100..100)
                )
            }
            Time => match self.random.random_range(0..3) {
                0 => format!("cast({} as time)", self.of(Time, depth)),
                1 => format!("time({})", self.of(Moment, depth)),
                _ => self.literal(Time),
            },
            Json | Pattern => self.literal(kind),
            Truth => match self.random.random_range(0..8) {
                0 | 1 => {
                    let kind = self.one(&[Int, Decimal, Text, Date, Moment]);
                    format!(
                        "({} {} {})",
                        self.of(kind, depth),
                        self.one(&["=", "<", "<=", ">", ">=", "<>", "<=>"]),
                        self.of(kind, depth)
                    )
                }
                2 => format!(
                    "({} {} {})",
                    self.of(Text, depth),
                    self.one(&["=", "<", ">"]),
                    self.of(Int, depth)
                ),
                3 => format!(
                    "({} {} {})",
                    self.of(Truth, depth),
                    self.one(&["AND", "OR", "XOR", "||", "&&"]),
                    self.of(Truth, depth)
                ),
                4 => format!("(NOT {})", self.any(depth)),
                5 => format!(
                    "({} IN ({}, {}))",
                    self.number(depth),
                    self.literal(Int),
                    self.literal(Text)
                ),
                6 => format!(
                    "({} BETWEEN {} AND {})",
                    self.number(depth),
                    self.number(depth),
                    self.number(depth)
                ),
                _ => match self.random.random_range(0..3) {
                    0 => format!(
                        "({} LIKE '{}')",
                        self.of(Text, depth),
                        self.one(&["%a%", "_b%", "%", "1%", "a\\\\_%"])
                    ),
                    1 => format!(
                        "({} REGEXP '{}')",
                        self.of(Text, depth),
                        self.one(&["^a", "[0-9]+", "b.*c$", "."])
                    ),
                    _ => format!("({} IS {})", self.any(depth), self.one(&["NULL", "NOT NULL"])),
                },
            },
        }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Int => self
                .one(&[
                    "0",
                    "1",
                    "2",
                    "3",
                    "7",
                    "10",
                    "-1",
                    "-5",
                    "100",
                    "255",
                    "65536",
                    "2147483647",
                    "-2147483648",
                    "9223372036854775807",
                ])
                .into(),
            Decimal => self
                .one(&[
                    "0.0",
                    "0.1",
                    "1.5",
                    "2.50",
                    "-1.25",
                    "10.005",
                    "-0.5",
                    "99.99",
                    "1234.5678",
                    "0.001",
                ])
                .into(),
            Double => {
                self.one(&["0e0", "1e0", "1.5e0", "-2.5e0", "1e3", "1.25e-2", "3.7e1"]).into()
            }
            Text => self
                .one(&[
                    "''", "'a'", "'b'", "'abc'", "'aBc '", "' x'", "'1'", "'12abc'", "'-3.5'",
                    "'1e2'", "'a_b'", "'a,b,c'", "'é'", "'0'", "'%'", "'it''s'",
                ])
                .into(),
            Date => self
                .one(&[
                    "DATE '2026-01-31'",
                    "DATE '2024-02-29'",
                    "DATE '1999-12-31'",
                    "DATE '2000-01-01'",
                    "'2026-03-01'",
                    "DATE '1970-01-01'",
                    "DATE '2023-06-15'",
                ])
                .into(),
            Moment => self
                .one(&[
                    "TIMESTAMP '2026-01-31 23:59:59'",
                    "TIMESTAMP '2024-02-29 00:00:00'",
                    "'2026-03-01 12:30:00'",
                    "TIMESTAMP '1999-12-31 11:05:09'",
                    "TIMESTAMP '2001-09-09 01:46:40'",
                ])
                .into(),
            Time => self
                .one(&[
                    "'12:30:45'",
                    "'00:00:01'",
                    "'-01:30:00'",
                    "'100:00:59'",
                    "'23:59:59'",
                    "'01:02:03.5'",
                ])
                .into(),
            Json => self
                .one(&[
                    "'{}'",
                    "'[1, 2, [3]]'",
                    "'{\"a\": {\"b\": [true, null]}}'",
                    "'\"text\"'",
                    "'12.5'",
                    "'null'",
                    "'[1,'",
                ])
                .into(),
            Pattern => self.one(&["'[0-9]+'", "'b.*c'", "'^a'", "'(a|b)c?'", "'x*$'"]).into(),
            Truth => self.one(&["TRUE", "FALSE", "1 = 1", "1 > 2", "'a' = 'b'"]).into(),
        }
    }
}
