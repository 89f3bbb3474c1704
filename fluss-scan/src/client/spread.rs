//! Calls about many buckets at once: each leader is asked about its own, several leaders at a time.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use tokio::time::Instant;

use super::{Attempts, FlussClient, bucket_error};
use crate::error::code;
use crate::messages::Call;
use crate::table::{Bucket, TableInfo};
use crate::{Error, Result};

/// Requests that are under way at once.
const REQUESTS_AT_ONCE: usize = 8;

/// What an answer says about one of the buckets that it is about.
pub(crate) struct OfBucket<T> {
    pub(crate) partition_id: Option<i64>,
    pub(crate) bucket: i32,
    pub(crate) code: Option<i32>,
    pub(crate) message: Option<String>,
    pub(crate) found: T,
}

/// A question about many buckets, in parts of which each is about one.
pub(crate) trait Spread {
    /// The call that it is made of.
    type Call: Call;
    /// What is asked about one bucket.
    type Part;
    /// What is answered about one bucket.
    type Found;
    /// The weight of the parts of one request, which exceeds it with a single part only.
    const WEIGHT_MAX: usize;

    fn weight(part: &Self::Part) -> usize;
    /// The request for parts that are about different buckets.
    fn request(&self, parts: &[(Bucket, Self::Part)]) -> Self::Call;
    fn by_bucket(&self, answer: <Self::Call as Call>::Answer) -> Vec<OfBucket<Self::Found>>;
    /// Takes what was answered; an error ends the question.
    fn take(&mut self, bucket: Bucket, part: Self::Part, found: Self::Found) -> Result<()>;
}

impl FlussClient {
    /// Asks all parts, and those again whose leader moved or failed with what may pass, until the time for
    /// answers is up.
    pub(crate) async fn ask_spread<S: Spread>(
        &self,
        table: &TableInfo,
        mut parts: Vec<(Bucket, S::Part)>,
        spread: &mut S,
    ) -> Result<()> {
        let mut attempts = Attempts::new(self.options.request_timeout);
        while !parts.is_empty() {
            let requests = self.requests(table, parts, spread, &mut attempts).await?;
            let (share, deadline) = (attempts.share(), attempts.deadline());
            let asked = requests.into_iter().map(|(server, request, parts)| async move {
                // those that had to wait for others have less
                let left = deadline.saturating_duration_since(Instant::now());
                (self.servers.ask(server, &request, share.min(left)).await, parts)
            });
            let mut answers = futures::stream::iter(asked).buffer_unordered(REQUESTS_AT_ONCE);
            let mut again = vec![];
            let mut failure = None;
            // a server that fails at all of its buckets has failed once
            let mut is_survived = None;
            let mut may_pass = |error: &Error| match error {
                Error::Server { code: code::UNKNOWN_SERVER_ERROR, .. } => {
                    *is_survived.get_or_insert_with(|| attempts.may_pass(error))
                }
                error => attempts.may_pass(error),
            };
            while let Some((answer, asked)) = answers.next().await {
                let mut by_bucket = match answer {
                    Ok(answer) => of_buckets(spread.by_bucket(answer)),
                    Err(error) if may_pass(&error) => {
                        failure = Some(error);
                        again.extend(asked);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                for (bucket, part) in asked {
                    let of_bucket = by_bucket.remove(&(bucket.partition_id, bucket.bucket));
                    let of_bucket = of_bucket
                        .ok_or_else(|| Error::corrupt(format!("no answer about {bucket}")))?;
                    let code = of_bucket.code.unwrap_or(0);
                    if code == 0 {
                        spread.take(bucket, part, of_bucket.found)?;
                        continue;
                    }
                    let message = of_bucket.message.unwrap_or_default();
                    let error = bucket_error(code, &message, bucket);
                    // a server that has just lost a bucket, or is coming back and not yet got it, says that there
                    // is none; the metadata, which is asked before the next try, knows better
                    let is_settled = code != code::UNKNOWN_TABLE_OR_BUCKET;
                    if is_settled && !may_pass(&error) {
                        return Err(error);
                    }
                    failure = Some(error);
                    again.push((bucket, part));
                }
            }
            drop(answers);
            if let (Some(error), Some((bucket, _))) = (failure, again.first()) {
                self.leaders.forget(&again.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>());
                attempts.pause_after(error, *bucket).await?;
            }
            parts = again;
        }
        Ok(())
    }

    /// Parts in requests to their leaders.
    async fn requests<S: Spread>(
        &self,
        table: &TableInfo,
        parts: Vec<(Bucket, S::Part)>,
        spread: &S,
        attempts: &mut Attempts,
    ) -> Result<Vec<(i32, S::Call, Vec<(Bucket, S::Part)>)>> {
        let mut buckets: Vec<Bucket> = parts.iter().map(|(bucket, _)| *bucket).collect();
        buckets.sort_unstable();
        buckets.dedup();
        let by_leader = self.leaders_of(table, &buckets, attempts).await?;
        let leaders = by_leader.iter().flat_map(|(leader, led)| led.iter().map(|b| (*b, *leader)));
        let leaders: HashMap<Bucket, i32> = leaders.collect();
        let mut of_leaders: BTreeMap<i32, Vec<(Bucket, S::Part)>> = BTreeMap::new();
        for (bucket, part) in parts {
            let leader = leaders.get(&bucket);
            let leader = leader.ok_or_else(|| Error::corrupt(format!("no leader of {bucket}")))?;
            of_leaders.entry(*leader).or_default().push((bucket, part));
        }
        let mut requests = vec![];
        for (leader, parts) in of_leaders {
            for parts in split::<S>(parts) {
                requests.push((leader, spread.request(&parts), parts));
            }
        }
        Ok(requests)
    }
}

/// Splits parts so that no request is too heavy or names a bucket twice: a server would overlook one.
fn split<S: Spread>(parts: Vec<(Bucket, S::Part)>) -> Vec<Vec<(Bucket, S::Part)>> {
    let mut requests: Vec<Vec<(Bucket, S::Part)>> = vec![];
    let mut weight = 0;
    let mut nth: HashMap<Bucket, usize> = HashMap::new();
    let mut rounds: Vec<Vec<(Bucket, S::Part)>> = vec![];
    for (bucket, part) in parts {
        let round = nth.entry(bucket).or_default();
        if *round == rounds.len() {
            rounds.push(vec![]);
        }
        rounds[*round].push((bucket, part));
        *round += 1;
    }
    for round in rounds {
        let mut is_new = true;
        for (bucket, part) in round {
            let more = S::weight(&part);
            match requests.last_mut() {
                Some(request) if !is_new && weight + more <= S::WEIGHT_MAX => {
                    weight += more;
                    request.push((bucket, part));
                }
                _ => {
                    (weight, is_new) = (more, false);
                    requests.push(vec![(bucket, part)]);
                }
            }
        }
    }
    requests
}

fn of_buckets<T>(answers: Vec<OfBucket<T>>) -> HashMap<(Option<i64>, i32), OfBucket<T>> {
    answers.into_iter().map(|answer| ((answer.partition_id, answer.bucket), answer)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ListDatabases, ListDatabasesAnswer};

    /// Parts are their own weights.
    struct Weights;

    impl Spread for Weights {
        type Call = ListDatabases;
        type Part = usize;
        type Found = ();
        const WEIGHT_MAX: usize = 10;

        fn weight(part: &usize) -> usize {
            *part
        }

        fn request(&self, _: &[(Bucket, usize)]) -> ListDatabases {
            ListDatabases {}
        }

        fn by_bucket(&self, _: ListDatabasesAnswer) -> Vec<OfBucket<()>> {
            vec![]
        }

        fn take(&mut self, _: Bucket, _: usize, (): ()) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn requests_are_of_bounded_weight_and_name_a_bucket_once() {
        type Parts<'a> = &'a [(i32, usize)];
        let cases: [(Parts<'_>, &[Parts<'_>]); 5] = [
            (&[], &[]),
            (&[(0, 4), (1, 6), (2, 1)], &[&[(0, 4), (1, 6)], &[(2, 1)]]),
            (&[(0, 99), (1, 1), (2, 99)], &[&[(0, 99)], &[(1, 1)], &[(2, 99)]]),
            (&[(0, 1), (0, 2), (0, 3)], &[&[(0, 1)], &[(0, 2)], &[(0, 3)]]),
            (&[(0, 1), (0, 2), (1, 3), (1, 4)], &[&[(0, 1), (1, 3)], &[(0, 2), (1, 4)]]),
        ];
        let bucket = |bucket: i32| Bucket { table_id: 1, partition_id: None, bucket };
        for (parts, expected) in cases {
            let requests = split::<Weights>(parts.iter().map(|(b, w)| (bucket(*b), *w)).collect());
            let shown = |request: &Vec<(Bucket, usize)>| -> Vec<(i32, usize)> {
                request.iter().map(|(bucket, weight)| (bucket.bucket, *weight)).collect()
            };
            assert_eq!(requests.iter().map(shown).collect::<Vec<_>>(), expected);
        }
    }
}
