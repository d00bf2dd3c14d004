//! Do the origins answer? Asked at start, all of them together, and again until they do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::source::Source;
use crate::storage::health::{ListPermission, OriginHealth};

/// An origin that is asked until it answers.
pub struct Asked {
    /// Where it is mounted.
    pub name: String,
    /// One word for what it is.
    pub kind: &'static str,
    /// What it is, for the log.
    pub what: String,
    /// It.
    pub source: Arc<dyn Source>,
    /// Where what is learned goes.
    pub health: Arc<OriginHealth>,
}

/// First and longest wait between two attempts to reach an origin at start.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long all origins have for their first answer before those are named that have none.
const FIRST_ANSWERS: Duration = Duration::from_secs(12);

/// Asks origins until they answer, so that the service can be started before its storage. Dropping
/// the future stops asking.
pub async fn learn(mut origins: Vec<Asked>) {
    match (origins.pop(), origins.is_empty()) {
        (None, _) => {}
        (Some(only), true) => learn_only(&only).await,
        (Some(last), false) => {
            origins.push(last);
            learn_several(origins).await;
        }
    }
}

/// The words for the one origin of a service that has only one.
async fn learn_only(origin: &Asked) {
    let kind = origin.kind;
    let mut said = None;
    let permission = until_it_answers(origin, |error| {
        // The same fault is told once, not with every attempt.
        if said != Some(error.kind) {
            log::warn!("the {kind} does not answer yet, asking again until it does: {error}");
            said = Some(error.kind);
        }
    })
    .await;
    match permission {
        ListPermission::Granted | ListPermission::Unknown => {
            log::info!("the {kind} answers and may be listed");
        }
        ListPermission::Denied => log::info!(
            "the {kind} answers but may not be listed: denied keys are taken for missing ones"
        ),
    }
}

/// How the first question to an origin ended, in the words of the log.
enum First {
    Listed(String),
    Unlisted(String),
    Silent(String),
}

async fn learn_several(origins: Vec<Asked>) {
    let (tell, told) = mpsc::unbounded_channel();
    let mut names: Vec<String> = origins.iter().map(|origin| origin.name.clone()).collect();
    let mut asking = JoinSet::new();
    for origin in origins {
        let tell = tell.clone();
        asking.spawn(async move { learn_one(&origin, &tell).await });
    }
    drop(tell);
    summarize(told, &mut names).await;
    while asking.join_next().await.is_some() {}
}

/// Asks one of several. What its first question came to is told to the summary, the rest to the log.
async fn learn_one(origin: &Asked, tell: &mpsc::UnboundedSender<(String, First)>) {
    let Asked { name, what, .. } = origin;
    let mut first = Some(tell);
    let mut said = None;
    let permission = until_it_answers(origin, |error| {
        let is_news = said.replace(error.kind) != Some(error.kind);
        match first.take() {
            Some(tell) => {
                let silent = First::Silent(format!("{name} ({what}): {error}"));
                // Nobody waits for it any more: it took too long, and was named for that.
                let _ = tell.send((name.clone(), silent));
            }
            None if is_news => log::warn!("origin {name} does not answer yet: {error}"),
            None => {}
        }
    })
    .await;
    match (first, permission) {
        (Some(tell), ListPermission::Denied) => {
            let _ = tell.send((name.clone(), First::Unlisted(name.clone())));
        }
        (Some(tell), _) => {
            let _ = tell.send((name.clone(), First::Listed(name.clone())));
        }
        (None, ListPermission::Denied) => {
            log::info!("origin {name} answers now but may not be listed");
        }
        (None, _) => log::info!("origin {name} answers now and may be listed"),
    }
}

/// Names all that answer and all that do not, together, when each has said something or time is up.
async fn summarize(mut told: mpsc::UnboundedReceiver<(String, First)>, names: &mut Vec<String>) {
    let (mut listed, mut unlisted, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let gathering = async {
        while let Some((name, first)) = told.recv().await {
            names.retain(|waiting| *waiting != name);
            match first {
                First::Listed(name) => listed.push(name),
                First::Unlisted(name) => unlisted.push(name),
                First::Silent(line) => silent.push(line),
            }
            if names.is_empty() {
                return;
            }
        }
    };
    let _ = timeout(FIRST_ANSWERS, gathering).await;
    silent.extend(
        names
            .drain(..)
            .map(|name| format!("{name}: no answer in time")),
    );
    for names in [&mut listed, &mut unlisted, &mut silent] {
        names.sort();
    }
    if !listed.is_empty() {
        log::info!(
            "origins that answer and may be listed: {}",
            listed.join(", ")
        );
    }
    if !unlisted.is_empty() {
        log::warn!(
            "origins that answer but may not be listed, so that denied keys are taken for missing \
             ones: {}",
            unlisted.join(", ")
        );
    }
    if !silent.is_empty() {
        log::warn!(
            "origins that do not answer yet, asking again until they do: {}",
            silent.join("; ")
        );
    }
}

/// Asks until there is an answer, and says what each attempt failed with.
async fn until_it_answers(
    origin: &Asked,
    mut failed: impl FnMut(&crate::storage::ReadError),
) -> ListPermission {
    let mut wait = WAITS.0;
    loop {
        match origin.source.ask().await {
            Ok(permission) => {
                origin.health.listed(permission);
                return permission;
            }
            Err(error) => {
                origin.health.called(Some(error.kind));
                failed(&error);
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}
