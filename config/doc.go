// Package config answers how this gateway is to run: where it listens, where
// it keeps its data, which model servers it may call and how it chooses among
// them.
//
// # Model
//
// A Config is a plain value. Load builds it in layers, later ones winning:
// the defaults (constants in default.go), a document that gateways share, the
// YAML file, the command line, the environment variables CARTRITA_*. Every setting that holds a single value or
// a list has one variable, named after its path: router.default_strategy is
// CARTRITA_ROUTER_DEFAULT_STRATEGY.
//
// Unknown fields, wrong types, duplicate keys and values out of range are
// errors. Load collects all of them and reports each with its line, column and
// path and, for a misspelt name, the nearest one. A file with any problem
// yields no Config. Variables that name no setting only warn: cluster
// schedulers put variables of their own under a service's name.
//
// Secrets are not values of the configuration. It holds references,
// "env:NAME" or "file:/path", which Secrets resolves when a secret is needed;
// a Config can therefore be printed, logged and compared. What could hold a
// secret all the same (literal headers, the passwords of URLs) is
// masked by Show and Diff.
//
// A Watcher reloads the file when it changes or on demand. It validates first,
// hands over a new Config only if everything in it is right, reports the
// difference, and otherwise keeps the last good one.
//
// # What it does not do
//
// It opens no connection and knows no catalogue: whether a model exists or a
// host answers is found out by those who use the Config.
//
// # Concurrency
//
// A Config is never written after Load returned it. Secrets and Watcher are
// safe for concurrent use.
package config
