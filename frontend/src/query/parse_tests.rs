use super::*;
use crate::query::statement::{Like, Show};

fn one(sql: &str) -> Statement {
    let mut all = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(all.len(), 1, "{sql}");
    all.remove(0)
}

fn refused(sql: &str) -> String {
    parse(sql).expect_err(sql).to_string()
}

#[test]
fn catalogs() {
    let sql = r#"create external catalog if not exists c comment 'x' properties ("type"="fluss", 'bootstrap.servers' = "h:1")"#;
    let Statement::CreateCatalog(create) = one(sql) else { panic!("{sql}") };
    assert_eq!((create.name.as_str(), create.if_not_exists), ("c", true));
    assert_eq!(create.properties["bootstrap.servers"], "h:1");
    assert!(matches!(
        one("DROP CATALOG IF EXISTS `c`"),
        Statement::DropCatalog { if_exists: true, .. }
    ));
    assert_eq!(one("SET CATALOG c;"), Statement::SetCatalog("c".into()));
    assert_eq!(one("USE c.db"), Statement::Use(vec!["c".into(), "db".into()]));
    assert!(
        refused(r#"create external catalog c properties ("a"="1", "a"="2")"#).contains("twice")
    );
    assert!(refused("create external catalog c").contains("PROPERTIES"));
}

#[test]
fn shows() {
    let names = |n: &[&str]| n.iter().map(|s| s.to_string()).collect::<Vec<_>>();
    let cases = [
        ("SHOW CATALOGS", Show::Catalogs(Like(None))),
        (
            "show databases from c like 'a%'",
            Show::Databases(names(&["c"]), Like(Some("a%".into()))),
        ),
        (
            "SHOW FULL TABLES FROM c.d",
            Show::Tables { from: names(&["c", "d"]), full: true, like: Like(None) },
        ),
        (
            "DESC c.d.`t$lake`",
            Show::Columns { table: names(&["c", "d", "t$lake"]), full: false, like: Like(None) },
        ),
        (
            "SHOW FULL COLUMNS FROM `t` FROM `d` LIKE '%'",
            Show::Columns { table: names(&["d", "t"]), full: true, like: Like(Some("%".into())) },
        ),
        ("SHOW CREATE TABLE d.t", Show::CreateTable(names(&["d", "t"]))),
        ("SHOW CREATE CATALOG c", Show::CreateCatalog("c".into())),
        (
            "SHOW SESSION VARIABLES LIKE 'auto%'",
            Show::Variables { global: false, like: Like(Some("auto%".into())) },
        ),
        ("SHOW FULL PROCESSLIST", Show::ProcessList { full: true }),
        ("show read points", Show::ReadPoints),
    ];
    for (sql, show) in cases {
        assert_eq!(one(sql), Statement::Show(show), "{sql}");
    }
    assert!(refused("SHOW SLAVE HOSTS LIKE 'o%'").contains("near 'SLAVE HOSTS"));
    assert!(refused("SHOW TABLES FROM a.b.c").contains("too many parts"));
}

#[test]
fn sets() {
    let Statement::Set(set) = one(
        "SET autocommit=1, sql_mode=concat(@@sql_mode,',STRICT_TRANS_TABLES'), NAMES utf8mb4 COLLATE 'utf8mb4_bin', @@session.time_zone = '+00:00', @a := 1+1, SESSION x = DEFAULT",
    ) else {
        panic!()
    };
    let variable = |i: usize| match &set[i] {
        Assignment::Variable { name, global: false, value } => (name.clone(), value.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(variable(0).0, "autocommit");
    assert_eq!(variable(1).0, "sql_mode");
    assert!(
        matches!(&set[2], Assignment::Names { charset, collation: Some(_) } if charset == "utf8mb4")
    );
    assert_eq!(variable(3).0, "time_zone");
    assert!(matches!(&set[4], Assignment::User { name, .. } if name == "a"));
    assert_eq!(variable(5).1, SetValue::Default);
    assert!(matches!(one("SET character_set_results = NULL"), Statement::Set(_)));
    assert!(
        matches!(&one("SET SESSION TRANSACTION READ ONLY"), Statement::Set(s) if s[..] == [Assignment::Transaction(vec![("transaction_read_only", "1".into())])])
    );
    assert!(refused("SET a").contains("expected"));
}

#[test]
fn does() {
    for (sql, query) in [("do 1", "SELECT 1"), ("/* a */ DO 1 + 1, rand()", "SELECT 1 + 1, rand()")]
    {
        assert!(matches!(one(sql), Statement::Do(select) if select.to_string() == query), "{sql}");
    }
    assert!(refused("DO").contains("Expected"), "{}", refused("DO"));
}

/// Whatever is wrong with a statement that holds a password, the error does not repeat it.
#[test]
fn errors_repeat_no_secret() {
    let create = "CREATE EXTERNAL CATALOG c";
    for (sql, told) in [
        (format!("{create} PROPERTIES ('type'='fluss' 'password'='hunter2')"), "column 54"),
        (format!("{create} PROPERTIES ('password'=hunter2)"), "a string in quotes"),
        (format!("{create} PROPERTIES ('password'='x' hunter2)"), "expected"),
        (format!("{create} PROPERTIES ('password'='hunter2'"), "expected"),
        (format!("{create} PROPERTIES ('password'='x') hunter2"), "the end"),
        (format!("{create} PROPERTIES ('password'='hunter2', 'password'='hunter2')"), "twice"),
        (format!("{create} PROPERTIES ('password'='hunter2)"), "Unterminated"),
        (format!("{create} PROPERTY ('password'='hunter2')"), "PROPERTIES"),
        (format!("{create} ('password'='hunter2')"), "PROPERTIES"),
        ("CREATE CATALOG c PROPERTIES ('password'='hunter2')".into(), "CATALOG"),
        ("ALTER CATALOG c SET ('password'='hunter2')".into(), "CATALOG"),
        ("ALTER EXTERNAL CATALOG c SET ('password'='hunter2')".into(), "EXTERNAL"),
    ] {
        let error = refused(&sql);
        assert!(!error.contains("hunter2"), "{sql}: {error}");
        assert!(error.contains(told), "{sql}: {error}");
    }
}

#[test]
fn queries() {
    for sql in [
        "SELECT 1",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "select * from c.d.t$lake where a <=> 1 limit 5, 10",
        "/* mysql-connector-j */SELECT @@session.autocommit AS a",
        "with x as (select 1) select * from x",
    ] {
        assert!(matches!(one(sql), Statement::Query(_)), "{sql}");
    }
    assert!(matches!(one("EXPLAIN ANALYZE SELECT 1"), Statement::Explain { analyze: true, .. }));
    assert!(matches!(one("explain (select 1)"), Statement::Explain { analyze: false, .. }));
    assert_eq!(parse(" ; -- nothing\n;").unwrap().len(), 0);
    assert_eq!(parse("SELECT 1; SELECT ';'").unwrap().len(), 2);
    assert!(refused("INSERT INTO t VALUES (1)").contains("not supported"));
    assert!(refused("SELECT 1 2").contains("2"));
    assert!(refused("SELEC 1").contains("SELEC"));
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(refused(&deep).contains("recursion"));
}

#[test]
fn kills() {
    assert_eq!(one("KILL QUERY 7"), Statement::Kill { connection: 7, statement_only: true });
    assert_eq!(one("kill 7"), Statement::Kill { connection: 7, statement_only: false });
    assert!(refused("KILL x").contains("number"));
}
