package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway"
	"github.com/cartrita/cartrita/model"
)

const (
	followEvery = askEvery         // the store is asked for a new version
	retryEvery  = 30 * time.Second // how often a version that was refused here is tried again
)

// sharedConfig is the configuration in the store: what the API shows and
// changes, and what a gateway follows.
type sharedConfig struct {
	cluster.ConfigStore
	node    *node
	inForce atomic.Int64
	saving  sync.Mutex
	nudged  chan struct{}

	// watcher puts versions in force. A node that serves nobody has none: it
	// takes what there is when it is put together.
	watcher *config.Watcher
}

func shared(c cluster.Configuration) config.Shared {
	return config.Shared{Name: fmt.Sprintf("shared configuration, version %d", c.Version), Data: []byte(c.Document)}
}

// latestConfig returns the latest version; the zero value when there is none.
func latestConfig(ctx context.Context, s cluster.ConfigStore) (cluster.Configuration, error) {
	version, err := s.ConfigVersion(ctx)
	if version == 0 || err != nil {
		return cluster.Configuration{}, err
	}
	return s.LoadConfig(ctx, version)
}

// withShared lays the file over the shared configuration. A gateway does not
// start on half of what it is told; a command in this process, which may be the
// one that mends it, goes on with the file.
func (n *node) withShared(l *config.Loaded, alone bool) (*config.Loaded, error) {
	n.shared = &sharedConfig{ConfigStore: n.store, node: n, nudged: make(chan struct{}, 1)}
	latest, err := latestConfig(n.app.ctx, n.store)
	if latest.Version == 0 || err != nil {
		return l, err
	}
	whole, err := l.WithShared(shared(latest))
	if err != nil && alone {
		n.log.Warn("the shared configuration is left out", "version", latest.Version, "error", err)
		return l, nil
	}
	n.shared.inForce.Store(latest.Version)
	return whole, err
}

// InForce implements gateway.SharedConfig.
func (c *sharedConfig) InForce() int64 { return c.inForce.Load() }

// Save implements gateway.SharedConfig.
func (c *sharedConfig) Save(ctx context.Context, d gateway.ConfigDocument, by string) (*gateway.ConfigSaved, error) {
	const op = "config.Save"
	c.saving.Lock()
	defer c.saving.Unlock()
	latest, err := c.ConfigVersion(ctx)
	if err != nil {
		return nil, err
	}
	if d.After != nil && *d.After != latest {
		return nil, model.Errorf(op, model.KindConflict, "the latest version is %d, not %d: read it, and change that", latest, *d.After)
	}
	now := c.node.current()
	next, err := now.WithShared(config.Shared{Name: "document", Data: []byte(d.Document)})
	if err == nil {
		err = c.node.app.checkWith(next, c.node.store)
	}
	if err != nil {
		return nil, err
	}
	out := &gateway.ConfigSaved{Changes: config.Diff(&now.Config, &next.Config), Warnings: next.Warnings, DryRun: d.DryRun}
	if d.DryRun {
		return out, nil
	}
	saved := cluster.Configuration{Version: latest + 1, At: time.Now().UTC().Truncate(time.Microsecond), By: by, Document: d.Document}
	if err := c.SaveConfig(ctx, saved); err != nil {
		return nil, err
	}
	c.node.bus.Publish(cluster.TopicConfig, nil)
	out.Version = saved.Version
	c.node.events.Notice(event.ConfigChanged, strconv.FormatInt(saved.Version, 10), saved.At, map[string]any{"version": saved.Version, "by": by})
	if c.watcher != nil {
		err = c.putInForce(ctx, saved)
	}
	return out, err
}

func (c *sharedConfig) putInForce(ctx context.Context, v cluster.Configuration) error {
	if err := c.watcher.Share(ctx, shared(v)); err != nil {
		return model.Errorf("config.Share", model.KindUnavailable, "version %d is saved, and not in force here: %v", v.Version, err)
	}
	c.inForce.Store(v.Version)
	return nil
}

// nudge has follow ask the store now. It returns at once.
func (c *sharedConfig) nudge() {
	select {
	case c.nudged <- struct{}{}:
	default: // it has yet to ask
	}
}

// follow puts in force what other gateways save, until ctx ends.
func (c *sharedConfig) follow(ctx context.Context) {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	var refused int64
	var again time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-c.nudged:
		}
		latest, err := c.ConfigVersion(ctx)
		if err != nil || latest == c.InForce() || latest == refused && time.Now().Before(again) {
			continue // a store that is away is reported by those who write to it
		}
		if err := c.catchUp(ctx); err != nil && ctx.Err() == nil {
			if latest != refused {
				c.node.log.Error("a shared configuration was not applied; the last good one stays in force", "version", latest, "error", err)
			}
			refused, again = latest, time.Now().Add(retryEvery)
		}
	}
}

func (c *sharedConfig) catchUp(ctx context.Context) error {
	c.saving.Lock() // what is saved here is put in force by who saves it
	defer c.saving.Unlock()
	latest, err := latestConfig(ctx, c.node.store)
	if err != nil || latest.Version == c.InForce() {
		return err
	}
	return c.putInForce(ctx, latest)
}
