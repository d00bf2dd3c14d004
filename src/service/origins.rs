//! The origins of a service, connected: what workers share of each, and the readers that each worker
//! has of its own.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::StartError;
use super::origin::{OriginConfig, OriginSource};
use super::probe::Asked;
use super::readers::{self, Cache, Readers};
use super::source::{Opened, Source, connect};
use crate::object::mount::{Mount, Routes};
use crate::storage::health::OriginHealth;
use crate::storage::s3::pace::ReadFor;
use crate::telemetry::Metrics;
use crate::web::CorsPolicy;
use crate::web::origin::{Origin, WorkerOrigin};

/// All origins.
#[derive(Clone)]
pub struct Origins(Vec<Connected>);

/// One of them.
#[derive(Clone)]
struct Connected {
    mount: Mount,
    source: OriginSource,
    /// Endpoint or region.
    place: String,
    asked: Arc<dyn Source>,
    readers: Readers,
    shared: Arc<Origin>,
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Origins {
    /// Gets all origins ready; `cors` holds for those without a policy of their own. Nothing is sent to
    /// them yet, so none of them has to be there. Together the clients of one worker keep as many idle
    /// `connections` as that.
    ///
    /// # Errors
    /// [`StartError`] with a line for each that cannot be served at all.
    pub async fn connect(
        mut configs: Vec<OriginConfig>,
        connections: usize,
        cors: &CorsPolicy,
        cache: Option<&Cache>,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        if configs.len() > 1 {
            let most_idle = (connections / configs.len()).max(1);
            for config in &mut configs {
                match &mut config.source {
                    OriginSource::S3(s3) => s3.most_idle = most_idle,
                    OriginSource::Databricks(volume) => volume.most_idle = most_idle,
                    OriginSource::File(_) => {}
                }
            }
        }
        // All at once: looking for a region can take a second each where a metadata service is silent.
        let mut asking = Vec::new();
        for config in &configs {
            let source = config.source.clone();
            asking.push(AbortOnDrop(tokio::spawn(
                async move { connect(&source).await },
            )));
        }
        let mut connected = Vec::new();
        let mut faults = Vec::new();
        for (config, mut asked) in configs.into_iter().zip(asking) {
            let (mount, source) = (config.mount.to_string(), config.source.to_string());
            let asked = (&mut asked.0).await.map_err(|error| error.to_string());
            let origin = asked
                .and_then(|asked| asked)
                .map(|asked| Connected::new(config, asked, cors, cache, metrics));
            match origin {
                Ok(origin) => connected.push(origin),
                Err(why) => {
                    faults.push(format!("origin {mount} ({source}) cannot be served: {why}"));
                }
            }
        }
        if faults.is_empty() {
            Ok(Self(connected))
        } else {
            Err(StartError(faults.join("\n")))
        }
    }

    /// What all workers know of them.
    pub fn shared(&self) -> Routes<Arc<Origin>> {
        let shared = |origin: &Connected| (origin.mount.clone(), Arc::clone(&origin.shared));
        Routes::new(self.0.iter().map(shared).collect())
    }

    /// What one worker reads them with. It has to be called in the worker's thread.
    pub fn of_worker(&self) -> Routes<WorkerOrigin> {
        let of_worker = |origin: &Connected| {
            let Opened { reader, lister } = origin.readers.direct(ReadFor::Viewer);
            let own = WorkerOrigin {
                reader: readers::over(origin.shared.cache.as_ref(), reader),
                lister,
                origin: Arc::clone(&origin.shared),
            };
            (origin.mount.clone(), own)
        };
        Routes::new(self.0.iter().map(of_worker).collect())
    }

    /// What is asked at start.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = |origin: &Connected| Asked {
            name: origin.shared.name.clone(),
            kind: origin.source.kind(),
            what: origin.source.to_string(),
            source: Arc::clone(&origin.asked),
            health: Arc::clone(&origin.shared.health),
        };
        self.0.iter().map(asked).collect()
    }

    /// Says in the log what is served where.
    pub fn tell(&self, address: &str, workers: usize) {
        if let [
            Connected {
                mount,
                source: OriginSource::S3(s3),
                place,
                ..
            },
        ] = self.0.as_slice()
            && *mount == Mount::default()
        {
            log::info!(
                bucket = s3.bucket.as_str(),
                prefix = s3.prefix.as_str(),
                s3 = place.as_str(),
                workers = workers;
                "serving on {address}"
            );
            return;
        }
        for origin in &self.0 {
            let Connected {
                source,
                place,
                shared,
                ..
            } = origin;
            log::info!("origin {}: {source} at {place}", shared.name);
        }
        log::info!(origins = self.0.len(), workers = workers; "serving on {address}");
    }
}

impl Connected {
    fn new(
        config: OriginConfig,
        asked: Arc<dyn Source>,
        cors: &CorsPolicy,
        cache: Option<&Cache>,
        metrics: &Metrics,
    ) -> Self {
        let OriginConfig {
            mount,
            source,
            concurrency,
            cors: own_cors,
            max_answer,
            access,
        } = config;
        let name = mount.to_string();
        let place = asked.describe();
        let total = source.total();
        let health = Arc::new(OriginHealth::default());
        let readers = Readers::new(
            Arc::clone(&asked),
            Arc::clone(&health),
            Arc::new(metrics.of_origin(&name)),
            concurrency,
            total,
        );
        // The name too: the same bucket name of the same endpoint can be another bucket with other
        // credentials, as with the tenants of Ceph.
        let identity = format!("{name} {source} {place}");
        let shared = Origin {
            cache: cache.and_then(|cache| cache.engine(&readers, &identity)),
            name,
            kind: source.kind(),
            prefix: source.prefix(),
            cors: own_cors.unwrap_or_else(|| cors.clone()),
            access,
            max_answer,
            total,
            health,
        };
        Self {
            mount,
            source,
            place,
            asked,
            readers,
            shared: Arc::new(shared),
        }
    }
}
