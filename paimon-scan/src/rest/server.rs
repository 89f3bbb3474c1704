//! One REST server: every question has a deadline, few retries, and an error that says who answered what.

use std::fmt;
use std::time::Duration;

use paimon::RESTApi;
use paimon::api::{GetTableResponse, GetTableTokenResponse, PagedList, RestError};
use paimon::catalog::Identifier;
use paimon::spec::Snapshot;
use tokio::sync::OnceCell;

use crate::error::{LakeError, Result};
use crate::options::LakeOptions;

/// How often a question is asked again when the server was not there or said that it is busy.
const RETRIES: u32 = 2;
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Of a list in pages.
const PAGES_MAX: usize = 10_000;
const NAMES_MAX: usize = 1 << 20;
/// What is shown of a server's own words, characters.
const MESSAGE_MAX: usize = 500;
/// Shorter values of options are not looked for in a server's words.
const SECRET_MIN: usize = 4;

/// A server, asked for its configuration when it is first needed.
pub(crate) struct RestServer {
    options: LakeOptions,
    timeout: Duration,
    api: OnceCell<RESTApi>,
}

impl fmt::Debug for RestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RestServer").field(&self.options).finish()
    }
}

/// Why a question was not answered.
pub(crate) enum Refusal {
    /// The server says that there is no such thing.
    Missing {
        /// `DATABASE`, `TABLE`, `SNAPSHOT`, …
        kind: String,
        /// The whole answer.
        error: LakeError,
    },
    Other(LakeError),
}

impl From<Refusal> for LakeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing { error, .. } | Refusal::Other(error) => error,
        }
    }
}

impl Refusal {
    /// The error when what is missing is `what` that was asked for.
    fn about(self, kinds: &[&str], what: impl Into<String>) -> LakeError {
        match self {
            Self::Missing { kind, .. } if kinds.iter().any(|k| kind.eq_ignore_ascii_case(k)) => {
                LakeError::NotFound { what: what.into() }
            }
            other => other.into(),
        }
    }
}

impl RestServer {
    pub(super) fn new(options: LakeOptions) -> Result<Self> {
        Ok(Self { timeout: options.request_timeout()?, options, api: OnceCell::new() })
    }

    pub(super) fn options(&self) -> &LakeOptions {
        &self.options
    }

    /// What it is called in errors: without credentials.
    pub(super) fn name(&self) -> String {
        let uri = self.options.get("uri").unwrap_or_default();
        format!("REST catalog {:?} at {uri}", self.options.warehouse())
    }

    /// The server's interface, with its configuration.
    pub(super) async fn api(&self) -> Result<&RESTApi, Refusal> {
        let open = || self.asked(|| RESTApi::new(self.options.to_paimon(), true));
        self.api.get_or_try_init(open).await
    }

    pub(crate) async fn databases(&self) -> Result<Vec<String>> {
        let names = self.pages(|api, token| async move {
            api.list_databases_paged(None, token.as_deref(), None).await
        });
        Ok(names.await?)
    }

    pub(crate) async fn tables(&self, database: &str) -> Result<Vec<String>> {
        let names = self.pages(|api, token| async move {
            api.list_tables_paged(database, None, token.as_deref(), None, None).await
        });
        let what = || format!("database {database}");
        names.await.map_err(|refusal| refusal.about(&["DATABASE"], what()))
    }

    pub(super) async fn table(&self, name: &Identifier) -> Result<GetTableResponse> {
        let found = self.asked_of_api(|api| api.get_table(name)).await;
        let what = || format!("table {}", name.full_name());
        found.map_err(|refusal| refusal.about(&["DATABASE", "TABLE"], what()))
    }

    /// The latest snapshot; `None` before the first commit.
    pub(super) async fn snapshot(&self, name: &Identifier) -> Result<Option<Snapshot>> {
        match self.asked_of_api(|api| api.load_snapshot(name)).await {
            Ok(found) => Ok(found.map(|of| of.snapshot)),
            Err(Refusal::Missing { kind, .. }) if kind.eq_ignore_ascii_case("SNAPSHOT") => Ok(None),
            Err(refusal) => {
                Err(refusal.about(&["DATABASE", "TABLE"], format!("table {}", name.full_name())))
            }
        }
    }

    pub(super) async fn token(&self, name: &Identifier) -> Result<GetTableTokenResponse> {
        let found = self.asked_of_api(|api| api.load_table_token(name)).await;
        let what = || format!("table {}", name.full_name());
        found.map_err(|refusal| refusal.about(&["DATABASE", "TABLE"], what()))
    }

    /// All pages of a list. As Paimon's other clients do, it ends at an empty one too.
    async fn pages<'a, F>(
        &'a self,
        page: impl Fn(&'a RESTApi, Option<String>) -> F,
    ) -> Result<Vec<String>, Refusal>
    where
        F: Future<Output = paimon::Result<PagedList<String>>>,
    {
        let endless = |what: &str| {
            let text = format!("{}: a list {what}", self.name());
            Err(Refusal::Other(LakeError::Unavailable(text.into())))
        };
        let (mut names, mut token) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let PagedList { elements, next_page_token } =
                self.asked_of_api(|api| page(api, token.clone())).await?;
            let is_last = elements.is_empty() || next_page_token.is_none();
            names.extend(elements);
            if is_last {
                return Ok(names);
            }
            if names.len() > NAMES_MAX {
                return endless(&format!("of more than {NAMES_MAX} names"));
            }
            if next_page_token == token {
                return endless("whose next page is the same one");
            }
            token = next_page_token;
        }
        endless(&format!("of more than {PAGES_MAX} pages"))
    }

    async fn asked_of_api<'a, T, F>(&'a self, ask: impl Fn(&'a RESTApi) -> F) -> Result<T, Refusal>
    where
        F: Future<Output = paimon::Result<T>>,
    {
        let api = self.api().await?;
        self.asked(|| ask(api)).await
    }

    /// Everything that is asked only reads, so that it may be asked again.
    async fn asked<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Refusal>
    where
        F: Future<Output = paimon::Result<T>>,
    {
        let (mut retries, mut delay) = (RETRIES, FIRST_DELAY);
        loop {
            let error = match tokio::time::timeout(self.timeout, ask()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => {
                    let text = format!("{}: no answer within {:?}", self.name(), self.timeout);
                    return Err(Refusal::Other(LakeError::Unavailable(text.into())));
                }
            };
            if retries == 0 || !may_pass(&error) {
                return Err(self.refusal(error));
            }
            tokio::time::sleep(delay).await;
            retries -= 1;
            delay *= 2;
        }
    }

    fn refusal(&self, error: paimon::Error) -> Refusal {
        use RestError as E;
        let told = |text: String| format!("{}: {text}", self.name());
        let status = |code: u16, message: &str| {
            told(format!("HTTP {code}: {}", self.without_secrets(message)))
        };
        let unavailable = |text: String| Refusal::Other(LakeError::Unavailable(text.into()));
        let source = match error {
            paimon::Error::RestApi { source } => source,
            paimon::Error::ConfigInvalid { message } => {
                return Refusal::Other(LakeError::option("metastore", told(message)));
            }
            paimon::Error::UnexpectedError { message, source } => {
                let cause = source.map(|source| root(&*source)).unwrap_or_default();
                let text = told(self.without_secrets(&format!("{message}: {cause}")));
                return match message.starts_with("failed to parse") {
                    true => Refusal::Other(LakeError::corrupt(text)),
                    false => unavailable(text),
                };
            }
            other => return unavailable(told(self.without_secrets(&other.to_string()))),
        };
        match source {
            E::NotAuthorized { message } => {
                Refusal::Other(LakeError::Denied(status(401, &message)))
            }
            E::Forbidden { message } => Refusal::Other(LakeError::Denied(status(403, &message))),
            E::NoSuchResource { resource_type, message, .. } => {
                let error = LakeError::Unavailable(status(404, &message).into());
                match resource_type {
                    Some(kind) => Refusal::Missing { kind, error },
                    None => Refusal::Other(error),
                }
            }
            E::BadRequest { message } => unavailable(status(400, &message)),
            E::AlreadyExists { message, .. } => unavailable(status(409, &message)),
            E::ServiceFailure { message } => unavailable(status(500, &message)),
            E::NotImplemented { message } => unavailable(status(501, &message)),
            E::ServiceUnavailable { message } => unavailable(status(503, &message)),
            E::Unexpected { message } => unavailable(told(format!(
                "an HTTP status that the protocol does not know: {}",
                self.without_secrets(&message)
            ))),
        }
    }

    /// The beginning of a text from outside, which may repeat what it was sent.
    fn without_secrets(&self, text: &str) -> String {
        let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        for (_, secret) in self.options.secrets().filter(|(_, value)| value.len() >= SECRET_MIN) {
            text = text.replace(secret, "***");
        }
        text.chars().take(MESSAGE_MAX).collect()
    }
}

/// Whether the same question may be answered in a moment.
fn may_pass(error: &paimon::Error) -> bool {
    match error {
        paimon::Error::RestApi { source } => matches!(source, RestError::ServiceUnavailable { .. }),
        paimon::Error::UnexpectedError { message, .. } => message.starts_with("http "),
        _ => false,
    }
}

/// What an error says at its end: the way there repeats the address.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
