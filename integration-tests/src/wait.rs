//! Waiting for conditions, always with a limit: fluss-rs sets no time limit on its requests.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};

/// Longest time one request to Fluss may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// State of a condition that is being waited for.
pub(crate) enum Progress<T> {
    /// Reached, with its outcome.
    Done(T),
    /// Not yet; the text tells how far it is.
    Pending(String),
}

/// Runs one request to Fluss under the time limit of a request.
pub(crate) async fn request<T>(
    what: &str,
    call: impl Future<Output = fluss::error::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(REQUEST_LIMIT, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LabError::Timeout {
            condition: format!("an answer to: {what}"),
            limit: REQUEST_LIMIT,
            seen: "no answer".to_owned(),
        }),
    }
}

/// Looks at a condition until it holds or `limit` has passed. An error of the look itself ends the wait.
pub(crate) async fn until<T, F>(
    condition: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<Progress<T>>>,
{
    let start = Instant::now();
    loop {
        match look().await? {
            Progress::Done(outcome) => return Ok(outcome),
            Progress::Pending(seen) if start.elapsed() >= limit => {
                return Err(LabError::Timeout { condition: condition.to_owned(), limit, seen });
            }
            Progress::Pending(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
