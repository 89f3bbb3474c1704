//! `CREATE [OR REPLACE] VIEW`, `ALTER VIEW`, `DROP VIEW`: what is asked for. StarRocks' forms, which MySQL's of the same words are.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::query::parse::{ended, query};
use crate::query::statement::{CreateView, Existing, Statement};
use crate::query::tokens::{Cursor, written};
use crate::session::process_list::INFO_BYTES_MAX;
use crate::{Error, Result};

/// Takes the words that begin the description of a view, and tells what becomes of one that is there.
pub fn begins(c: &mut Cursor<'_>) -> Option<Existing> {
    let forms: [(&[&str], Existing); 4] = [
        (&["CREATE", "VIEW", "IF", "NOT", "EXISTS"], Existing::Kept),
        (&["CREATE", "VIEW"], Existing::Refused),
        (&["CREATE", "OR", "REPLACE", "VIEW"], Existing::Replaced),
        (&["ALTER", "VIEW"], Existing::Altered),
    ];
    forms.into_iter().find(|(words, _)| c.take(words)).map(|(_, existing)| existing)
}

/// Reads what follows them.
pub fn create(sql: &str, existing: Existing, c: &mut Cursor<'_>) -> Result<Statement> {
    let name = c.names(3)?;
    if existing == Existing::Altered && c.take(&["RENAME"]) {
        let told = "ALTER VIEW … RENAME is not supported: CREATE it under the new name and DROP it";
        return Err(Error::Unsupported(told.into()));
    }
    let columns = if c.take_token(&Token::LParen) { columns(c)? } else { vec![] };
    let comment = comment(c)?;
    if c.take(&["SECURITY"]) {
        return Err(Error::Unsupported("SECURITY of views is not supported".into()));
    }
    c.expect(&["AS"])?;
    let (text, query) = (text(sql, c.rest())?, query(c.rest())?);
    let create = CreateView { name, existing, columns, comment, text, query };
    Ok(Statement::CreateView(Box::new(create)))
}

/// Reads what follows `DROP VIEW`.
pub fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    let if_exists = c.take(&["IF", "EXISTS"]);
    let mut names = vec![c.names(3)?];
    while c.take_token(&Token::Comma) {
        names.push(c.names(3)?);
    }
    // nothing depends on a view that would go with it or hold it
    let _ = c.take(&["RESTRICT"]) || c.take(&["CASCADE"]);
    ended(c, Statement::DropView { names, if_exists })
}

/// `name [COMMENT '…'], …)`.
fn columns(c: &mut Cursor<'_>) -> Result<Vec<(String, Option<String>)>> {
    let mut columns = vec![];
    loop {
        columns.push((c.name()?, comment(c)?));
        if !c.take_token(&Token::Comma) {
            break;
        }
    }
    c.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn comment(c: &mut Cursor<'_>) -> Result<Option<String>> {
    c.take(&["COMMENT"]).then(|| c.string()).transpose()
}

fn text(sql: &str, tokens: &[TokenWithSpan]) -> Result<String> {
    if tokens.is_empty() {
        return Err(Error::Syntax("a view needs a query after AS".into()));
    }
    written(sql, tokens).map(str::to_string).ok_or_else(|| {
        Error::Unsupported(format!(
            "a view that is prepared takes no parameters and {INFO_BYTES_MAX} bytes at the most"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::parse;

    fn view(sql: &str) -> CreateView {
        match parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).pop() {
            Some(Statement::CreateView(create)) => *create,
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn views() {
        let sql = "/* a tool */ create view `d`.`V` as\nselect 'é;' as a, /* kept */\r\n b -- too\n from t ; ";
        let plain = view(sql);
        assert_eq!(plain.name, ["d", "V"]);
        assert_eq!(plain.text, "select 'é;' as a, /* kept */\r\n b -- too\n from t");
        assert_eq!(
            (plain.existing, &plain.columns[..], plain.comment),
            (Existing::Refused, &[][..], None)
        );
        let full =
            view("CREATE VIEW IF NOT EXISTS v (a COMMENT 'x', `B`) COMMENT \"y\" AS (SELECT 1, 2)");
        assert_eq!(full.existing, Existing::Kept);
        assert_eq!(full.columns, [("a".into(), Some("x".into())), ("B".into(), None)]);
        assert_eq!((full.comment.as_deref(), full.text.as_str()), (Some("y"), "(SELECT 1, 2)"));
        assert_eq!(view("create or replace view v as select 1").existing, Existing::Replaced);
        assert_eq!(
            view("ALTER VIEW v AS WITH a AS (SELECT 1) SELECT * FROM a").existing,
            Existing::Altered
        );
        let several = parse("SELECT 1; CREATE VIEW v AS SELECT 2; SELECT 3").unwrap();
        assert!(matches!(&several[1], Statement::CreateView(create) if create.text == "SELECT 2"));
        let times = view("CREATE VIEW v AS SELECT * FROM t FOR VERSION AS OF 5 x");
        assert_eq!(times.text, "SELECT * FROM t FOR VERSION AS OF 5 x");
    }

    #[test]
    fn drops() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(
            parse("DROP VIEW IF EXISTS `d`.`v`, w CASCADE;").unwrap(),
            [Statement::DropView {
                names: vec![names(&["d", "v"]), names(&["w"])],
                if_exists: true
            }]
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (sql, told) in [
            ("CREATE VIEW v AS", "a query after AS"),
            ("CREATE VIEW v", "AS"),
            ("CREATE VIEW v () AS SELECT 1", "a name"),
            ("CREATE VIEW v SECURITY INVOKER AS SELECT 1", "SECURITY"),
            ("CREATE VIEW v AS SELECT 1 WITH CHECK OPTION", "WITH"),
            ("CREATE VIEW v AS DELETE FROM t", "DELETE"),
            ("CREATE ALGORITHM = MERGE VIEW v AS SELECT 1", "ALGORITHM"),
            ("ALTER VIEW v RENAME w", "RENAME"),
            ("DROP VIEW v w", "the end"),
            ("DROP VIEW", "a name"),
        ] {
            let error = parse(sql).expect_err(sql).to_string();
            assert!(error.contains(told), "{sql}: {error}");
        }
    }
}
