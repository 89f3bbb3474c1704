//! The pipeline of a statement; read [`run`] first.
//!
//! * [`parse`], [`show`], [`tokens`], `size`: text → [`statement`]
//! * [`time_travel`]: `AS OF` → names of tables; [`names`], [`assignments`]: what only tools write
//! * [`plan`]: query → physical plan at a read point; [`labels`], [`origins`], [`spelling`], [`functions`], [`session_functions`], `proven` beside it
//! * [`dispatch`]: plan → rows, from the backends or, where no table is read, from here (`constant`)
//! * [`resolve`]: names in a query → tables and views; [`views`]: `CREATE VIEW` and its like
//! * [`explain`], [`metadata`], [`create_table`]: what is answered in text
//! * [`settings`], [`hints`]: `SET`, `USE`, `/*+ SET_VAR() */`

pub mod assignments;
mod constant;
pub mod create_table;
pub mod dispatch;
pub mod explain;
pub mod functions;
pub mod hints;
pub mod labels;
pub mod metadata;
pub mod names;
pub mod origins;
pub mod parse;
pub mod plan;
mod proven;
mod resolve;
pub mod session_functions;
pub mod settings;
pub mod show;
mod size;
pub mod spelling;
pub mod statement;
pub mod time_travel;
pub mod tokens;
pub mod views;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::{Error, Frontend, Result};
use statement::Statement;

/// What a statement answers.
pub enum Answer {
    /// It was done; there are no rows.
    Done,
    /// Rows, as they come.
    Rows(Rows),
}

/// A stream of rows.
pub struct Rows {
    /// The labelled columns.
    pub schema: SchemaRef,
    /// The rows; dropping it ends the statement everywhere.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Answer {
    /// An answer of one batch that is at hand.
    pub fn rows(schema: SchemaRef, batch: Result<RecordBatch>) -> Self {
        Answer::Rows(Rows { schema, batches: stream::once(async move { batch }).boxed() })
    }
}

/// Answers one statement of a session.
///
/// Rows may still be on their way when it returns; `stop` ends them too.
pub async fn run(
    frontend: &Frontend,
    session: &mut Session,
    statement: Statement,
    stop: &CancellationToken,
) -> Result<Answer> {
    match statement {
        Statement::Query(query) => dispatch::query(frontend, session, &query, stop).await,
        Statement::Do(query) => {
            if let Answer::Rows(mut rows) = dispatch::query(frontend, session, &query, stop).await?
            {
                while rows.batches.next().await.transpose()?.is_some() {}
            }
            Ok(Answer::Done)
        }
        Statement::Explain { analyze: true, query, .. } => {
            explain::analyze(frontend, session, &query, stop).await
        }
        Statement::Explain { verbose, query, .. } => {
            explain::explain(frontend, session, &query, verbose).await
        }
        Statement::Show(show) => metadata::show(frontend, session, show).await,
        Statement::CreateCatalog(create) => done(frontend.catalogs().create(create)),
        Statement::DropCatalog { name, if_exists } => {
            done(frontend.catalogs().remove(&name, if_exists))
        }
        Statement::CreateView(create) => {
            done(views::create(frontend, session, *create, stop).await)
        }
        Statement::DropView { names, if_exists } => {
            done(views::drop(frontend, session, &names, if_exists))
        }
        Statement::SetCatalog(name) => done(settings::set_catalog(frontend, session, name)),
        Statement::Use(name) => done(settings::use_database(frontend, session, name).await),
        Statement::Set(set) => done(settings::set(frontend, session, set).await),
        Statement::Kill { connection, statement_only } => {
            done(frontend.processes().kill(connection, statement_only))
        }
        Statement::Transaction(begins) => {
            session.in_transaction = begins;
            Ok(Answer::Done)
        }
        Statement::ReloadTls => done(frontend.reload_tls()),
    }
}

fn done(result: Result<()>) -> Result<Answer> {
    result.map(|()| Answer::Done)
}

impl Error {
    /// A broken invariant, with what was told about it.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Error::Internal(error.to_string())
    }
}
