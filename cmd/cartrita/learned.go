package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
)

// learnedFile is the file of the data directory that keeps what estimates
// learned. It implements cost.Store.
type learnedFile string

// LoadLearned implements cost.Store.
func (f learnedFile) LoadLearned(context.Context) ([]byte, error) {
	raw, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

// SaveLearned implements cost.Store: a reader, or a crash, sees the old file or
// the new one.
func (f learnedFile) SaveLearned(_ context.Context, state []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(string(f)), ".learned-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // it holds nothing that is not learned again
		}
	}()
	_, err = tmp.Write(state)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), string(f))
	}
	return err
}

// saveEvery is how often what was learned is saved.
const saveEvery = time.Minute

// learner makes the estimator, with what it learned before. A file that cannot
// be read is set aside: estimates start anew, and calls are served.
func learner(ctx context.Context, c *config.Config, log *slog.Logger) (*cost.Estimator, cost.Store, error) {
	e, err := cost.New(cost.Config{})
	if err != nil || c.Store == config.StoreMemory {
		return e, nil, err
	}
	file := learnedFile(filepath.Join(c.Data, "learned.json"))
	err = e.Restore(ctx, file)
	if err == nil {
		return e, file, nil
	}
	aside := string(file) + ".damaged"
	log.Warn("what estimates learned cannot be used; they start anew", "file", file, "kept as", aside, "error", err)
	if model.AsError(err).Kind == model.KindInvalid {
		if err := os.Rename(string(file), aside); err != nil {
			return nil, nil, dataError(c.Data, err)
		}
	}
	return e, file, nil
}

// keepLearned saves what is learned from time to time and at the end.
func (n *node) keepLearned(ctx context.Context, tick <-chan time.Time) {
	saved := n.estimator.Learned()
	save := func() {
		now := n.estimator.Learned()
		if now == saved {
			return
		}
		if err := n.estimator.Save(context.WithoutCancel(ctx), n.learned); err != nil {
			n.log.Warn("what estimates learned is not saved", "error", err)
			return
		}
		saved = now
	}
	for {
		select {
		case <-tick:
			save()
		case <-ctx.Done():
			save()
			return
		}
	}
}
