package config

import "time"

// The defaults.
const (
	DefaultListen        = "127.0.0.1:8080"
	DefaultData          = "./data"
	DefaultStore         = StoreSQLite
	DefaultStrategy      = "balanced"
	DefaultAttempts      = 3
	DefaultEndpointQueue = 100

	DefaultBody            = 32 * MiB
	DefaultBodyMemory      = 512 * MiB
	DefaultHeader          = 64 * KiB
	DefaultHeaderTimeout   = Duration(10 * time.Second)
	DefaultBodyTimeout     = Duration(time.Minute)
	DefaultWriteTimeout    = Duration(30 * time.Second)
	DefaultIdleTimeout     = Duration(2 * time.Minute)
	DefaultConcurrency     = 1024
	DefaultQueue           = 1024
	DefaultQueueTimeout    = Duration(10 * time.Second)
	DefaultShutdownTimeout = Duration(30 * time.Second)

	DefaultSegment           = 32 * MiB
	DefaultMaxSpool          = GiB
	DefaultSharedBuffer      = 10_000
	DefaultServiceName       = "cartrita"
	DefaultAlertsEvery       = Duration(5 * time.Second)
	DefaultEmbeddingsTimeout = Duration(10 * time.Second)
	DefaultOllamaURL         = "http://127.0.0.1:11434"
)

// The stores that need no URL.
const (
	StoreSQLite = "sqlite"
	StoreMemory = "memory"
)

// The values of Keys.Required.
const (
	KeysAuto   = "auto"
	KeysAlways = "always"
)

// The values of Fallback.Scope.
const (
	FallbackAny       = "any"
	FallbackSameModel = "same-model"
	FallbackNone      = "none"
)

// The values of Events.Fsync.
const (
	FsyncOff   = "off"
	FsyncBatch = "batch"
)

// builtinStrategies are the strategies that need no configuration.
var builtinStrategies = []string{"quality-first", "cost-optimized", "balanced", "speed-first", "safety-critical"}

// Default returns the configuration of a gateway for which nothing was set.
func Default() Config {
	return Config{
		Listen:        DefaultListen,
		Data:          DefaultData,
		Store:         DefaultStore,
		Keys:          Keys{Required: KeysAuto},
		UnknownPrice:  UnknownPriceAssumeMax,
		BudgetSharing: BudgetSharing{WhenAway: WhenAwayClosed},
		Router:        Router{DefaultStrategy: DefaultStrategy, MaxAttempts: DefaultAttempts, EndpointQueue: DefaultEndpointQueue},
		Limits: Limits{
			Body:            DefaultBody,
			BodyMemory:      DefaultBodyMemory,
			Header:          DefaultHeader,
			HeaderTimeout:   DefaultHeaderTimeout,
			BodyTimeout:     DefaultBodyTimeout,
			WriteTimeout:    DefaultWriteTimeout,
			IdleTimeout:     DefaultIdleTimeout,
			Concurrency:     DefaultConcurrency,
			Queue:           DefaultQueue,
			QueueTimeout:    DefaultQueueTimeout,
			ShutdownTimeout: DefaultShutdownTimeout,
		},
		Log:        Log{Level: "info", Format: "auto"},
		Telemetry:  Telemetry{ServiceName: DefaultServiceName, SampleRatio: 1},
		Events:     Events{Fsync: FsyncOff, Segment: DefaultSegment, MaxSpool: DefaultMaxSpool, SharedBuffer: DefaultSharedBuffer},
		Alerts:     Alerts{Every: DefaultAlertsEvery},
		Embeddings: Embeddings{Timeout: DefaultEmbeddingsTimeout},
		Discovery:  Discovery{Env: true, Ollama: true, OllamaURL: DefaultOllamaURL},
	}
}
