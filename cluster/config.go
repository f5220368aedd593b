package cluster

import (
	"context"
	"time"
)

// Configuration is one version of what all replicas are configured with,
// beneath the file that each may have of its own.
type Configuration struct {
	Version  int64     `json:"version"` // counts from 1
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"`       // who saved it
	Document string    `json:"document,omitempty"` // YAML, as it was given
}

// ConfigStore keeps the versions. Implementations are safe for concurrent use.
// Errors: KindUnavailable when the store cannot be used now.
type ConfigStore interface {
	// ConfigVersion returns the number of the latest version, 0 for none.
	ConfigVersion(ctx context.Context) (int64, error)
	// LoadConfig returns a version. KindNotFound.
	LoadConfig(ctx context.Context, version int64) (Configuration, error)
	// ListConfigs returns all versions without their documents, latest first.
	ListConfigs(ctx context.Context) ([]Configuration, error)
	// SaveConfig adds a version. KindConflict unless it follows the latest.
	SaveConfig(ctx context.Context, c Configuration) error
}
