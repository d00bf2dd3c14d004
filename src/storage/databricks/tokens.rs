//! The token that requests carry: fetched once for all, renewed before it expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;

use super::credentials::Secret;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::retry::is_worth_waiting;

/// How long before its end a token is renewed, but not before half its life is over. Databricks' tokens
/// live for an hour.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);

/// How long a token may live at most by us, whatever its issuer says.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// How long after an attempt to renew the next may follow, as long as the token still does. Without it a
/// workspace that refuses every token would be asked for one by each request.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(10);

/// How long the refusal of a token is believed that does not pass by itself.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// A token in the form that it is sent in.
#[derive(Debug, Clone)]
pub struct Token {
    field: HeaderValue,
    obtained: Instant,
    /// `None` for one that is not ours to renew.
    lifetime: Option<Duration>,
}

impl Token {
    /// `Bearer` with this token; `None` if it cannot be sent.
    fn new(secret: &Secret, lifetime: Option<Duration>) -> Option<Self> {
        let mut field = HeaderValue::from_str(&format!("Bearer {}", secret.reveal())).ok()?;
        field.set_sensitive(true);
        Some(Self {
            field,
            obtained: Instant::now(),
            lifetime,
        })
    }

    /// The value of `Authorization`.
    #[must_use]
    pub const fn field(&self) -> &HeaderValue {
        &self.field
    }

    fn age(&self) -> Duration {
        self.obtained.elapsed()
    }

    fn is_alive(&self) -> bool {
        self.lifetime.is_none_or(|lifetime| self.age() < lifetime)
    }

    fn is_fresh(&self) -> bool {
        self.lifetime.is_none_or(|lifetime| {
            let margin = RENEWED_BEFORE.min(lifetime / 2);
            self.age() < lifetime.saturating_sub(margin)
        })
    }
}

/// The answer of a token endpoint (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

/// Reads the answer of the token endpoint. `None` for what is none.
#[must_use]
pub fn parse_grant(body: &[u8]) -> Option<Token> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    let is_bearer = granted.token_type.eq_ignore_ascii_case("bearer");
    let secret = Secret::parse(&granted.access_token).ok()?;
    let lifetime = Duration::from_secs(granted.expires_in).min(LONGEST_LIFE);
    let is_usable = is_bearer && !lifetime.is_zero();
    Token::new(&secret, Some(lifetime)).filter(|_| is_usable)
}

/// What is wrong with an answer that is no grant, for the log. It is never quoted.
#[must_use]
pub fn no_grant(target: String) -> ReadError {
    ReadError::new(ReadErrorKind::BadAnswer(BadAnswer::Malformed), target)
        .because("the token endpoint's answer has no token that can be used")
}

/// The token that all workers share.
#[derive(Debug, Default)]
pub struct Tokens {
    state: Mutex<State>,
    /// Held by the one who fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Token>,
    /// When an attempt failed last, and how.
    failed: Option<(Instant, Arc<ReadError>)>,
    /// How many have failed.
    failures: u64,
}

impl Tokens {
    /// One that is given and cannot be renewed.
    #[must_use]
    pub fn fixed(secret: &Secret) -> Self {
        let tokens = Self::default();
        tokens.with(|state| state.held = Token::new(secret, None));
        tokens
    }

    /// A token that is valid still. Fetches one if there is none; renews one that is about to expire,
    /// and goes on with it if that fails. However many ask at once, one fetches and the others wait for
    /// it and share its outcome. Dropping the future leaves it to the next.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn get<F, T>(&self, fetch: F) -> Result<Token, ReadError>
    where
        F: Fn() -> T,
        T: Future<Output = Result<Token, ReadError>>,
    {
        let held = self.with(|state| state.held.clone());
        let Some(token) = held.filter(Token::is_alive) else {
            return self.fetch_once(fetch).await;
        };
        if token.is_fresh() || !self.may_try_again() {
            return Ok(token);
        }
        let Ok(_fetching) = self.fetching.try_lock() else {
            return Ok(token);
        };
        match self.keep(fetch().await) {
            Ok(renewed) => Ok(renewed),
            Err(error) => {
                log::warn!(
                    "a token could not be renewed, and the old one is used as long as it lives: {error}"
                );
                Ok(token)
            }
        }
    }

    /// Another token than this one, which was refused; `None` if it was obtained only just now, so that
    /// another would be refused as well, or is not ours to renew.
    ///
    /// # Errors
    /// Those of `fetch`.
    pub async fn instead_of<F, T>(
        &self,
        refused: &Token,
        fetch: F,
    ) -> Result<Option<Token>, ReadError>
    where
        F: Fn() -> T,
        T: Future<Output = Result<Token, ReadError>>,
    {
        if refused.lifetime.is_none() || refused.age() < BETWEEN_RENEWALS {
            return Ok(None);
        }
        self.with(|state| {
            let is_it = |held: &Token| held.field == refused.field;
            state.held.take_if(|held| is_it(held));
        });
        self.get(fetch).await.map(Some)
    }

    async fn fetch_once<F, T>(&self, fetch: F) -> Result<Token, ReadError>
    where
        F: Fn() -> T,
        T: Future<Output = Result<Token, ReadError>>,
    {
        let failures = self.with(|state| state.failures);
        let _fetching = self.fetching.lock().await;
        let (held, failed) = self.with(|state| {
            // One that failed while this waited was for this as well.
            // What does not pass by itself is believed for a while, or who knocks at the door here
            // would have the principal locked out there.
            let holds = |(at, error): &(Instant, Arc<ReadError>)| {
                !is_worth_waiting(error.kind) && at.elapsed() < AFTER_REFUSAL
            };
            let failed = state.failed.clone();
            let failed = failed.filter(|failed| state.failures > failures || holds(failed));
            (state.held.clone(), failed)
        });
        if let Some(token) = held.filter(Token::is_alive) {
            return Ok(token);
        }
        match failed {
            Some((_, error)) => Err(ReadError::shared(&error)),
            None => self.keep(fetch().await),
        }
    }

    fn keep(&self, fetched: Result<Token, ReadError>) -> Result<Token, ReadError> {
        self.with(|state| match fetched {
            Ok(token) => {
                state.failed = None;
                state.held = Some(token.clone());
                Ok(token)
            }
            Err(error) => {
                let error = Arc::new(error);
                state.failures = state.failures.saturating_add(1);
                state.failed = Some((Instant::now(), Arc::clone(&error)));
                Err(ReadError::shared(&error))
            }
        })
    }

    fn may_try_again(&self) -> bool {
        let failed = self.with(|state| state.failed.as_ref().map(|(at, _)| *at));
        failed.is_none_or(|at| at.elapsed() >= BETWEEN_RENEWALS)
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics while holding it.
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::time::{advance, sleep};

    const HOUR: Duration = Duration::from_hours(1);

    /// An issuer that takes a second for each token, or fails.
    #[derive(Default)]
    struct Issuer {
        asked: AtomicU32,
        failing: std::sync::atomic::AtomicBool,
    }

    impl Issuer {
        async fn issue(&self) -> Result<Token, ReadError> {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
            if self.failing.load(Ordering::Relaxed) {
                return Err(ReadError::new(ReadErrorKind::Unreachable, "token"));
            }
            let secret = Secret::parse(&format!("token-{number}")).unwrap();
            Ok(Token::new(&secret, Some(HOUR)).unwrap())
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::Relaxed)
        }

        fn fail(&self, failing: bool) {
            self.failing.store(failing, Ordering::Relaxed);
        }
    }

    fn name(token: &Token) -> &str {
        token.field().to_str().unwrap()
    }

    /// A hundred who ask at once.
    async fn crowd(tokens: &Arc<Tokens>, issuer: &Arc<Issuer>) -> Vec<Result<Token, ReadError>> {
        let asking: Vec<_> = (0..100)
            .map(|_| {
                let (tokens, issuer) = (Arc::clone(tokens), Arc::clone(issuer));
                tokio::spawn(async move { tokens.get(|| issuer.issue()).await })
            })
            .collect();
        let mut answers = Vec::new();
        for one in asking {
            answers.push(one.await.unwrap());
        }
        answers
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_costs_one_token_and_a_failure_is_shared() {
        let (tokens, issuer) = (Arc::new(Tokens::default()), Arc::new(Issuer::default()));
        issuer.fail(true);
        let answers = crowd(&tokens, &issuer).await;
        assert_eq!(issuer.asked(), 1);
        assert!(answers.iter().all(Result::is_err));
        issuer.fail(false);
        let answers = crowd(&tokens, &issuer).await;
        assert_eq!(issuer.asked(), 2);
        assert!(
            answers
                .iter()
                .all(|answer| name(answer.as_ref().unwrap()) == "Bearer token-1")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_leaves_the_fetching_to_the_next() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let left = tokio::time::timeout(Duration::from_millis(1), tokens.get(|| issuer.issue()));
        assert!(left.await.is_err());
        assert!(tokens.get(|| issuer.issue()).await.is_ok());
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_expires_and_used_on_if_that_fails() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let get = async || tokens.get(|| issuer.issue()).await;
        let first = get().await.unwrap();
        advance(Duration::from_secs(3299)).await;
        assert_eq!(name(&get().await.unwrap()), name(&first));
        assert_eq!(issuer.asked(), 1);
        advance(Duration::from_secs(2)).await;
        issuer.fail(true);
        assert_eq!(name(&get().await.unwrap()), name(&first));
        assert_eq!(name(&get().await.unwrap()), name(&first));
        assert_eq!(issuer.asked(), 2, "not asked again at once");
        advance(BETWEEN_RENEWALS).await;
        issuer.fail(false);
        assert_ne!(name(&get().await.unwrap()), name(&first));
        assert_eq!(issuer.asked(), 3);
        issuer.fail(true);
        advance(HOUR).await;
        assert!(get().await.is_err(), "an expired token is not used");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_once_for_all_and_not_at_once_again() {
        let (tokens, issuer) = (Tokens::default(), Issuer::default());
        let first = tokens.get(|| issuer.issue()).await.unwrap();
        let instead = async |refused: &Token| {
            let other = tokens.instead_of(refused, || issuer.issue()).await;
            other.unwrap().map(|token| name(&token).to_owned())
        };
        assert_eq!(instead(&first).await, None, "it is new");
        advance(BETWEEN_RENEWALS).await;
        let second = Some("Bearer token-1".to_owned());
        assert_eq!(instead(&first).await, second);
        assert_eq!(
            instead(&first).await,
            second,
            "another had it refused as well"
        );
        assert_eq!(issuer.asked(), 2);
        let fixed = Tokens::fixed(&Secret::parse("dapi").unwrap());
        let given = fixed.get(|| issuer.issue()).await.unwrap();
        advance(HOUR * 100).await;
        assert_eq!(
            name(&fixed.get(|| issuer.issue()).await.unwrap()),
            "Bearer dapi"
        );
        assert!(
            fixed
                .instead_of(&given, || issuer.issue())
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_is_a_bearer_token_with_an_end() {
        for (body, is_usable) in [
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":3600}"#,
                true,
            ),
            (
                r#"{"access_token":"a","token_type":"bearer","expires_in":1,"scope":"all-apis"}"#,
                true,
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":18446744073709551615}"#,
                true,
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#,
                false,
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
                false,
            ),
            (r#"{"access_token":"a","token_type":"Bearer"}"#, false),
            (
                r#"{"access_token":"","token_type":"Bearer","expires_in":3600}"#,
                false,
            ),
            (
                r#"{"access_token":"a\r\nb: c","token_type":"Bearer","expires_in":3600}"#,
                false,
            ),
            (
                r#"{"access_token":"a","token_type":"mac","expires_in":3600}"#,
                false,
            ),
            ("<html>", false),
            ("", false),
        ] {
            let token = parse_grant(body.as_bytes());
            assert_eq!(token.is_some(), is_usable, "{body}");
            assert!(!format!("{token:?}").contains("Bearer a"), "{token:?}");
        }
        let long = parse_grant(
            br#"{"access_token":"a","token_type":"Bearer","expires_in":18446744073709551615}"#,
        );
        advance(LONGEST_LIFE).await;
        assert!(!long.unwrap().is_alive());
    }
}
