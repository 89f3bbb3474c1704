//! Rows about the server itself.

use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

use super::definition::{Cell, Row};
use super::described::ENGINE;
use super::{InformationSchema, charset};
use crate::Result;

/// Words that no table can be called without quotes.
const RESERVED: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "DISTINCT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PARTITION",
    "QUALIFY",
    "RIGHT",
    "SELECT",
    "SET",
    "TABLE",
    "THEN",
    "TRUE",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

impl InformationSchema {
    /// The rows of a table that tells of the server.
    pub fn of_server(&self, table: &str) -> Result<Vec<Row>> {
        Ok(match table {
            "character_sets" => charset::character_sets(),
            "collations" => charset::collations(),
            "collation_character_set_applicability" => charset::applicability(),
            "engines" => vec![vec![
                ENGINE.into(),
                "DEFAULT".into(),
                "Lakes and logs, read only".into(),
                "NO".into(),
                "NO".into(),
                "NO".into(),
            ]],
            "keywords" => keywords(),
            "processlist" => self.processes(),
            "session_variables" | "global_variables" => self.variables(),
            "session_status" | "global_status" => {
                self.sources.processes.status().into_iter().map(pair).collect()
            }
            "user_privileges" => {
                vec![vec!["'root'@'%'".into(), "def".into(), "SELECT".into(), "NO".into()]]
            }
            other => {
                return Err(crate::Error::Internal(format!(
                    "information_schema.{other} has no rows"
                )));
            }
        })
    }

    fn variables(&self) -> Vec<Row> {
        let all = self.session.variables.all().into_iter();
        all.map(|(name, value)| vec![name.into(), value.into()]).collect()
    }

    fn processes(&self) -> Vec<Row> {
        let row = |process: crate::session::process_list::Process| {
            let running = process.statement.is_some();
            vec![
                Cell::Int(process.id.into()),
                process.user.clone().into(),
                process.host.clone().into(),
                process.database.clone().into(),
                if running { "Query" } else { "Sleep" }.into(),
                Cell::Int(i64::try_from(process.seconds()).unwrap_or(i64::MAX)),
                process.state().into(),
                process.statement.as_ref().map(|(sql, _)| sql.clone()).into(),
            ]
        };
        self.sources.processes.all().into_iter().map(row).collect()
    }
}

fn pair((name, value): (&'static str, u64)) -> Row {
    vec![name.into(), value.to_string().into()]
}

fn keywords() -> Vec<Row> {
    let row = |word: &&str| {
        let reserved = RESERVED.binary_search(word).is_ok();
        vec![(*word).into(), Cell::Int(i64::from(reserved))]
    };
    ALL_KEYWORDS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_words() {
        assert!(RESERVED.is_sorted());
        let rows = keywords();
        let reserved = rows.iter().filter(|row| row[1] == Cell::Int(1)).count();
        assert_eq!(reserved, RESERVED.len());
    }
}
