//! Answers to `SHOW` about the server and the session.

use super::{Cell, Error, Frontend, Like, Result, Row, Session, Show, information, listing};
use crate::information_schema::definition;
use crate::query::Answer;
use crate::query::show::ServerList;
use crate::read_points as read_points_of;
use crate::session::process_list::Process;
use crate::session::warnings::Warning;

/// Characters of a statement that `SHOW PROCESSLIST` without `FULL` prints.
const INFO_CHARS: usize = 100;

pub(super) fn show(frontend: &Frontend, session: &Session, show: Show) -> Result<Answer> {
    match show {
        Show::Variables { global, like } => Ok(variables(session, global, &like)),
        Show::Status(like) => Ok(status(frontend, &like)),
        Show::Warnings { errors_only, count } => Ok(warnings(session, errors_only, count)),
        Show::ProcessList { full } => Ok(process_list(frontend, full)),
        Show::Backends => Ok(backends(frontend)),
        Show::Frontends => Ok(frontends(frontend)),
        Show::FrontendConfig(like) => Ok(frontend_config(&like)),
        Show::Grants => Ok(grants()),
        Show::Server(list, like) => server_list(frontend, session, list, &like),
        Show::ReadPoints => read_points(session),
        other => Err(Error::Internal(format!("{other:?} is shown elsewhere"))),
    }
}

fn variables(session: &Session, global: bool, like: &Like) -> Answer {
    let all = if global { session.variables.defaults() } else { session.variables.all() };
    let all = all.into_iter().filter(|(name, _)| like.matches(name));
    let rows = all.map(|(name, value)| vec![name.into(), value.into()]);
    listing(&["Variable_name", "Value"], rows.collect())
}

fn status(frontend: &Frontend, like: &Like) -> Answer {
    let all = frontend.processes().status().into_iter().filter(|(name, _)| like.matches(name));
    let rows = all.map(|(name, value)| vec![name.into(), value.to_string().into()]);
    listing(&["Variable_name", "Value"], rows.collect())
}

fn warnings(session: &Session, errors_only: bool, count: bool) -> Answer {
    let all = session.warnings.all();
    let shown: Vec<&Warning> = all.iter().filter(|w| !errors_only || w.is_error()).collect();
    if count {
        let number = if errors_only { shown.len() } else { session.warnings.count() };
        let name =
            if errors_only { "@@session.error_count:i" } else { "@@session.warning_count:i" };
        return listing(&[name], vec![vec![int(number)]]);
    }
    let row = |w: &&Warning| -> Row {
        vec![w.level.into(), Cell::Int(w.code.into()), w.message.as_str().into()]
    };
    listing(&["Level", "Code:i", "Message"], shown.iter().map(row).collect())
}

fn process_list(frontend: &Frontend, full: bool) -> Answer {
    let info = |sql: &str| -> String {
        if full { sql.to_string() } else { sql.chars().take(INFO_CHARS).collect() }
    };
    let row = |process: &Process| -> Row {
        vec![
            Cell::Int(process.id.into()),
            process.user.as_str().into(),
            process.host.as_str().into(),
            process.database.clone().into(),
            if process.statement.is_some() { "Query" } else { "Sleep" }.into(),
            Cell::Int(i64::try_from(process.seconds()).unwrap_or(i64::MAX)),
            process.state().into(),
            process.statement.as_ref().map(|(sql, _)| info(sql)).into(),
        ]
    };
    let rows = frontend.processes().all().iter().map(row).collect();
    listing(&["Id:i", "User", "Host", "db", "Command", "Time:i", "State", "Info"], rows)
}

fn read_points(session: &Session) -> Result<Answer> {
    let kept = session.read_points.as_deref().ok_or_else(|| {
        Error::Unsupported(
            "no read points were kept: SET keep_read_points = 1 before the query".into(),
        )
    })?;
    let points = kept.as_ref().map_err(Clone::clone)?;
    let row = |point| read_points_of::row(point).into_iter().map(Cell::from).collect();
    Ok(listing(&read_points_of::LABELS, points.iter().map(row).collect()))
}

fn backends(frontend: &Frontend) -> Answer {
    let states = frontend.backends().states();
    let rows = states.into_iter().map(|state| {
        let alive = if state.error.is_none() { "true" } else { "false" };
        let error = state.error.unwrap_or_default();
        vec![state.address.into(), alive.into(), state.version.into(), error.into()]
    });
    listing(&["Backend", "Alive", "Version", "ErrMsg"], rows.collect())
}

/// This frontend alone: frontends do not know each other.
fn frontends(frontend: &Frontend) -> Answer {
    let listen = &frontend.config().mysql.listen;
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, ""));
    let row = vec![
        listen.as_str().into(),
        host.into(),
        port.into(),
        "LEADER".into(),
        "true".into(),
        "true".into(),
        crate::COMPATIBLE_VERSION.into(),
    ];
    listing(&["Name", "IP", "QueryPort", "Role", "Join", "Alive", "Version"], vec![row])
}

/// What clients ask of StarRocks' configuration: tables are not on the servers' own disks.
fn frontend_config(like: &Like) -> Answer {
    let row: Row = vec![
        "run_mode".into(),
        "[]".into(),
        "shared_data".into(),
        "String".into(),
        "false".into(),
        "".into(),
    ];
    let rows = if like.matches("run_mode") { vec![row] } else { vec![] };
    listing(&["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"], rows)
}

fn grants() -> Answer {
    let granted = ["GRANT SELECT ON *.* TO `root`@`%`"];
    listing(&["Grants for root@%"], granted.map(|grant| vec![grant.into()]).to_vec())
}

fn server_list(
    frontend: &Frontend,
    session: &Session,
    list: &ServerList,
    like: &Like,
) -> Result<Answer> {
    let Some((table, positions)) = list.rows else { return Ok(listing(list.columns, vec![])) };
    debug_assert!(definition::find(table).is_some());
    let all = information(frontend, session, &session.catalog).of_server(table)?;
    let pick = |row: Row| -> Row {
        positions.iter().map(|at| row.get(*at).cloned().unwrap_or(Cell::Null)).collect()
    };
    let fits = |row: &Row| match row.first() {
        Some(Cell::Text(name)) => like.matches(name),
        _ => true,
    };
    Ok(listing(list.columns, all.into_iter().map(pick).filter(fits).collect()))
}

fn int(number: usize) -> Cell {
    Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
