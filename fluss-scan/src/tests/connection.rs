//! Connections to servers that are silent, hostile or gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI16, Ordering};
use std::time::{Duration, Instant};

use super::rows::full_table;
use super::server::{Asked, FakeServer, Reply, SERVERS, leads_all};
use crate::connection::Connection;
use crate::messages::{
    ApiVersion, ApiVersions, ApiVersionsAnswer, Authenticate, Call, ListDatabases,
    ListDatabasesAnswer, ListTables, Lookup, LookupAnswer, ScanKv,
};
use crate::network::Tcp;
use crate::{ClientOptions, Error, OffsetSpec, TablePath};

fn databases(_: &Asked<'_>) -> Reply {
    Reply::message(&ListDatabasesAnswer { names: vec!["w".into()] })
}

async fn open(server: &FakeServer) -> Result<Connection, Error> {
    let client = server.client();
    Connection::open(&server.address, &Tcp, client.options()).await
}

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn every_wait_has_a_deadline() {
    let silent = FakeServer::start(|_| Reply::Nothing).await;
    let started = Instant::now();
    let error = silent.client().list_databases().await.unwrap_err();
    assert!(
        matches!(&error, Error::TimedOut { what, .. } if what.contains("ApiVersions")),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(3));

    let no_sasl = FakeServer::start(|asked| match asked.is::<ApiVersions>() {
        true => Reply::recorded("sasl_api_versions.v10"),
        false => Reply::Nothing,
    })
    .await;
    let client = no_sasl.client_with(|o| o.credentials = Some(("u".into(), "hidden".into())));
    let error = client.list_databases().await.unwrap_err();
    assert!(
        matches!(&error, Error::TimedOut { what, .. } if what.contains("Authenticate")),
        "{error}"
    );

    let mute = FakeServer::start(|asked| leads_all(asked, "v10").unwrap_or(Reply::Nothing)).await;
    let error = mute.client().list_databases().await.unwrap_err();
    assert!(
        matches!(&error, Error::TimedOut { what, .. } if what.contains("ListDatabases")),
        "{error}"
    );
    let offsets = mute.client().offsets(&full_table(3), None, &[0], OffsetSpec::Latest).await;
    assert!(matches!(offsets, Err(Error::TimedOut { .. })), "{offsets:?}");
}

#[tokio::test]
async fn a_call_that_is_not_listed_is_never_sent() {
    let server =
        FakeServer::start(|asked| leads_all(asked, "v091").unwrap_or(Reply::Nothing)).await;
    let connection = open(&server).await.unwrap();
    let error = connection.call(&ScanKv::default(), SHORT).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Unsupported(_)), "{text}");
    assert!(text.contains("ScanKv") && text.contains(&server.address), "{text}");
    assert_eq!(server.count::<ScanKv>(), 0);
}

#[tokio::test]
async fn the_highest_version_that_both_sides_speak_is_sent() {
    for (min, max, sent) in [
        (0, 0, Some(0)),
        (0, 1, Some(1)),
        (0, 9, Some(1)),
        (1, 3, Some(1)),
        (2, 3, None),
        (-2, -1, None),
        (1, 0, None),
        (0, 1 << 20, None),
    ] {
        let version = Arc::new(AtomicI16::new(-1));
        let seen = Arc::clone(&version);
        let server = FakeServer::start(move |asked| {
            if asked.is::<ApiVersions>() {
                let lookup = ApiVersion { api: Lookup::API.into(), min, max };
                return Reply::message(&ApiVersionsAnswer { versions: vec![lookup] });
            }
            seen.store(asked.version, Ordering::SeqCst);
            Reply::message(&LookupAnswer::default())
        })
        .await;
        let connection = open(&server).await.unwrap();
        let answer = connection.call(&Lookup::default(), Duration::from_secs(5)).await;
        match sent {
            Some(sent) => {
                assert_eq!((answer.is_ok(), version.load(Ordering::SeqCst)), (true, sent))
            }
            None => assert!(matches!(answer, Err(Error::Unsupported(_))), "{min}..{max}"),
        }
    }
}

#[tokio::test]
async fn oversized_answers_are_refused_and_the_next_call_connects_anew() {
    // two gigabytes are announced, nothing is sent: whoever believed it would allocate them
    let lie = Arc::new(AtomicBool::new(true));
    let script_lie = Arc::clone(&lie);
    let server = FakeServer::start(move |asked| {
        leads_all(asked, "v10").unwrap_or_else(|| match script_lie.load(Ordering::SeqCst) {
            true => Reply::Raw([&i32::MAX.to_be_bytes()[..], &[0], &asked_id(asked)].concat()),
            false => databases(asked),
        })
    })
    .await;
    let client = server.client();
    let error = client.list_databases().await.unwrap_err();
    assert!(matches!(&error, Error::TooLarge(what) if what.contains("2147483647")), "{error}");
    lie.store(false, Ordering::SeqCst);
    assert_eq!(client.list_databases().await.unwrap(), ["w"]);
    assert_eq!(server.connections(), 2);
}

/// The request id of the call after ApiVersions on a new connection.
fn asked_id(_: &Asked<'_>) -> [u8; 4] {
    1i32.to_be_bytes()
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection() {
    for raw in [vec![0xff; 4], vec![0, 0, 0, 0], vec![0, 0, 0, 2, 0, 0]] {
        let server = FakeServer::start(move |asked| {
            leads_all(asked, "v10").unwrap_or_else(|| Reply::Raw(raw.clone()))
        })
        .await;
        let connection = open(&server).await.unwrap();
        let started = Instant::now();
        let error = connection.call(&ListDatabases {}, Duration::from_secs(20)).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(10) && connection.is_broken());
    }
}

#[tokio::test]
async fn pending_calls_fail_at_once_when_the_connection_breaks() {
    let server = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| match asked.is::<ListTables>() {
            true => Reply::Cut,
            false => Reply::Nothing,
        })
    })
    .await;
    let connection = open(&server).await.unwrap();
    let long = Duration::from_secs(20);
    let started = Instant::now();
    let cut = ListTables { database: "w".into() };
    let (first, second, third) = tokio::join!(
        connection.call(&ListDatabases {}, long),
        connection.call(&ListDatabases {}, long),
        connection.call(&cut, long),
    );
    for error in [first.err(), second.err(), third.err()] {
        assert!(matches!(error, Some(Error::Unreachable { .. })), "{error:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    let after = connection.call(&ListDatabases {}, long).await;
    assert!(matches!(after, Err(Error::Unreachable { .. })), "{after:?}");
}

#[tokio::test]
async fn answers_find_their_calls_in_any_order() {
    // the first call is answered by the server's answer to the second, and the other way round
    let server = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| match asked.is::<ListTables>() {
            false => Reply::Nothing,
            true => {
                let answer = |id: i32, name: &str| {
                    let mut frame = vec![0, 0, 0, 8, 0];
                    frame.extend(id.to_be_bytes());
                    frame.extend([0x0a, 1, name.as_bytes()[0]]);
                    frame
                };
                Reply::Raw([answer(2, "b"), answer(1, "a")].concat())
            }
        })
    })
    .await;
    let connection = open(&server).await.unwrap();
    let tables = ListTables { database: "w".into() };
    let long = Duration::from_secs(20);
    let (first, second) = tokio::join!(biased_first(&connection, long), async {
        tokio::task::yield_now().await;
        connection.call(&tables, long).await
    });
    assert_eq!((first.unwrap().names, second.unwrap().names), (vec!["a".into()], vec!["b".into()]));
}

async fn biased_first(c: &Connection, within: Duration) -> Result<ListDatabasesAnswer, Error> {
    c.call(&ListDatabases {}, within).await
}

#[tokio::test]
async fn calls_that_are_given_up_are_forgotten() {
    let server = FakeServer::start(|asked| leads_all(asked, "v10").unwrap_or(Reply::Nothing)).await;
    let connection = open(&server).await.unwrap();
    for _ in 0..3 {
        let call = connection.call(&ListDatabases {}, Duration::from_secs(20));
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    }
    assert_eq!(connection.waiting(), 0);
    assert!(!connection.is_broken(), "a caller that leaves says nothing about the server");
}

#[tokio::test]
async fn a_half_open_connection_is_given_up() {
    let server = FakeServer::start(|asked| {
        // the first connection goes dead after its hello, the second one lives
        leads_all(asked, "v10").unwrap_or_else(|| match asked.nth {
            0 | 1 => Reply::Nothing,
            _ => databases(asked),
        })
    })
    .await;
    let client = server.client();
    for _ in 0..2 {
        assert!(matches!(client.list_databases().await, Err(Error::TimedOut { .. })));
    }
    assert_eq!(client.list_databases().await.unwrap(), ["w"]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_failure_ends_all_calls_with_its_reason() {
    let server = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| {
            let error = crate::messages::ErrorAnswer {
                code: 5,
                message: Some("too many connections\n\tat x".into()),
            };
            let body = prost::Message::encode_to_vec(&error);
            let length = i32::try_from(body.len() + 1).unwrap();
            Reply::Raw([&length.to_be_bytes()[..], &[2], &body].concat())
        })
    })
    .await;
    let error = open(&server).await.unwrap().call(&ListDatabases {}, Duration::from_secs(20)).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("too many connections") && !text.contains("at x"), "{text}");
}

#[tokio::test]
async fn sasl_plain() {
    for version in SERVERS {
        let server = |authenticate: &'static str| {
            FakeServer::start(move |asked| match () {
                () if asked.is::<ApiVersions>() => {
                    Reply::recorded(&format!("sasl_api_versions.{version}"))
                }
                () if asked.is::<Authenticate>() => {
                    Reply::recorded(&format!("{authenticate}.{version}"))
                }
                () => databases(asked),
            })
        };
        let with = |options: &mut ClientOptions| {
            options.credentials = Some(("root".into(), "secret".into()));
        };
        let right = server("sasl_right").await;
        assert_eq!(right.client_with(with).list_databases().await.unwrap(), ["w"]);
        let asked = &right.asked::<Authenticate>()[0];
        assert_eq!((asked.protocol.as_str(), &asked.token[..]), ("PLAIN", &b"\0root\0secret"[..]));

        let wrong = server("sasl_wrong").await;
        let client = wrong.client_with(with);
        let error = client.table_info(&TablePath::new("w", "t")).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
        assert_eq!(wrong.count::<Authenticate>(), 1, "a refusal is not tried again");
        assert!(!format!("{error} {client:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again_within_the_call() {
    let server = FakeServer::start(|asked| {
        leads_all(asked, "v10").unwrap_or_else(|| match asked.nth {
            0 => Reply::Cut,
            _ => databases(asked),
        })
    })
    .await;
    assert_eq!(server.client().list_databases().await.unwrap(), ["w"]);
    assert_eq!(server.connections(), 2);
}
