//! Statements that read no table: the frontend answers them by itself, without a backend.

use std::time::Duration;

use integration_tests::Deployment;
use integration_tests::deployment::query;
use mysql_async::Error;

/// Parts of a UNION come one after another, and groups as they are first seen, as clients of MySQL expect it though nobody promises it.
#[tokio::test]
async fn parts_of_a_union_come_in_their_order() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    let counted =
        "SELECT a, count(*) FROM (SELECT 3 a UNION ALL SELECT 1 UNION ALL SELECT 3) t GROUP BY a";
    for (sql, rows) in [
        ("SELECT 5 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 1", "5, 3, 4, 1"),
        ("SELECT 5 UNION SELECT 3 UNION SELECT 5 UNION SELECT 1", "5, 3, 1"),
        ("SELECT 5 UNION ALL SELECT 3 UNION ALL SELECT 4 LIMIT 2", "5, 3"),
        ("SELECT 5 UNION ALL SELECT 3 UNION ALL SELECT 4 ORDER BY 1", "3, 4, 5"),
        (counted, "3 2, 1 1"),
    ] {
        // what is decided by a race comes out right at times
        for _ in 0..5 {
            let found = query(&mut connection, sql).await.unwrap();
            let found: Vec<String> = found.iter().map(|row| row.join(" ")).collect();
            assert_eq!(found.join(", "), rows, "{sql}");
        }
    }
}

/// Pools of connections send a comment to see whether one lives.
#[tokio::test]
async fn comments_alone_are_answered() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    for comment in ["/* ping */", "-- ping", "# ping", "--"] {
        assert!(query(&mut connection, comment).await.unwrap().is_empty(), "{comment}");
    }
    assert_eq!(query(&mut connection, "SELECT 1 --").await.unwrap(), [["1"]]);
    assert_eq!(query(&mut connection, "SELECT 3 --2").await.unwrap(), [["5"]]);
    for empty in [" ", ";", " ;\n"] {
        let answer = query(&mut connection, empty).await;
        assert!(
            matches!(answer, Err(Error::Server(ref error)) if error.code == 1065),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn sleep_ends_by_itself_by_kill_and_by_time() {
    let millrace = Deployment::start(0).await.unwrap();
    let mut connection = millrace.connect().await.unwrap();
    let started = std::time::Instant::now();
    let slept = query(&mut connection, "SELECT SLEEP(0.2), SLEEP('0.1') + 1").await.unwrap();
    assert_eq!(slept, [["0", "1"]]);
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(query(&mut connection, "DO SLEEP(0.1), 1/0").await.unwrap().is_empty());

    let code = |answer: mysql_async::Result<_>| match answer {
        Err(Error::Server(error)) => error.code,
        answer => panic!("{answer:?}"),
    };
    for wrong in ["NULL", "-1", "'x'", "1e300"] {
        assert_eq!(code(query(&mut connection, &format!("SELECT SLEEP({wrong})")).await), 1105);
    }
    let limited = "SELECT /*+ SET_VAR(max_execution_time=100) */ SLEEP(1000)";
    assert_eq!(code(query(&mut connection, limited).await), 3024);

    let (sleeper, mut killer) = (connection.id(), millrace.connect().await.unwrap());
    let kill = async {
        let running =
            "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'DO SLEEP(1000)%'";
        while query(&mut killer, running).await.unwrap() != [["1"]] {
            tokio::task::yield_now().await;
        }
        query(&mut killer, &format!("KILL QUERY {sleeper}")).await.unwrap();
    };
    let (slept, ()) = tokio::join!(query(&mut connection, "DO SLEEP(1000)"), kill);
    assert_eq!(code(slept), 1317);
}
