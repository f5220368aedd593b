package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

// watch reloads the configuration when its file changes and on SIGHUP, and
// looks for local model servers now and then. The returned function ends that
// and waits.
func (s *server) watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w := s.node.shared.watcher
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	running.Go(func() { s.node.shared.follow(ctx) })
	running.Go(func() { s.node.lookForServers(ctx) })
	running.Go(func() {
		for {
			select {
			case <-hangup:
				w.Reload()
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		cancel()
		running.Wait()
	}
}

// reload puts a new configuration in force, except for what needs a restart.
func (s *server) reload(_ context.Context, next *config.Loaded, _ []config.Change) error {
	if len(next.APIKeys) == 0 && s.loaded.Keys.Required != config.KeysAlways && !onLoopback(s.listener.Addr()) {
		return model.Invalidf("", "api_keys", "cannot be emptied while %s can be reached from other machines", s.listener.Addr())
	}
	keys, err := apiKeys(&next.Config, s.node.secrets)
	if err != nil {
		return err
	}
	if err := s.node.apply(next); err != nil {
		return err
	}
	if err := s.node.gateway.SetAPIKeys(keys); err != nil {
		return err
	}
	s.node.backfill()
	s.level.Set(logLevel(next.Log.Level))
	s.node.warn()
	return nil
}

// interruptible is cancelled by an interrupt that comes while calls are given
// time to finish.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
