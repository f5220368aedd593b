package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

// Call is a line of an archive.
type Call struct {
	Number  int64      `json:"number"` // in the order of storing
	Started *time.Time `json:"started_at,omitempty"`
	Ended   time.Time  `json:"ended_at"`
	// Record is the call's, with its plan.
	Record json.RawMessage `json:"record"`
	// Trace is what the decision was made from, for a replay.
	Trace []byte `json:"trace,omitempty"`
}

// Manifest says what one file of an archive holds.
type Manifest struct {
	Format    int    `json:"format"` // 1
	Day       string `json:"day"`
	File      string `json:"file"`
	Calls     int64  `json:"calls"`
	FirstCall string `json:"first_call"` // ids
	LastCall  string `json:"last_call"`
	First     int64  `json:"first_number"`
	Last      int64  `json:"last_number"`
	Bytes     int64  `json:"bytes"`       // of the file
	Plain     int64  `json:"plain_bytes"` // unpacked
	SHA256    string `json:"sha256"`      // of the file
}

const (
	format      = 1
	callsEnd    = ".jsonl.gz" // of the name of a day's file
	manifestEnd = ".manifest.json"
	suffix      = ".tmp"    // of one that is not finished
	stale       = time.Hour // an unfinished file that nobody has written to for so long is nobody's
)

// write writes a day and its manifest, and returns the path of the file and its
// SHA-256.
func (a *Archiver) write(ctx context.Context, from, below int64, d *Day) (path, sha string, err error) {
	m := Manifest{Format: format, Day: d.Day}
	plain := &counter{sha: sha256.New()}
	whole, err := unfinished(a.cfg.Dir, "calls-"+d.Day+callsEnd, func(w io.Writer) error {
		sum := &counter{w: w, sha: sha256.New()}
		packed := gzip.NewWriter(sum)
		plain.w = packed
		if err := a.lines(ctx, plain, from, below, &m); err != nil {
			return err
		}
		if m.Calls != d.Calls {
			return model.Errorf("archive.Run", model.KindInternal, "of %s, %d calls are stored, but the documents of %d: what is missing cannot be archived", m.Day, d.Calls, m.Calls)
		}
		if err := packed.Close(); err != nil {
			return err
		}
		m.Plain, m.Bytes, m.SHA256 = plain.n, sum.n, hex.EncodeToString(sum.sha.Sum(nil))
		return nil
	})
	if err != nil {
		return "", "", a.classify(err)
	}
	defer func() { _ = os.Remove(whole) }() // it has its own name by then, or is of no use
	name, err := place(whole, a.cfg.Dir, d.Day, plain.sha.Sum(nil))
	if err != nil {
		return "", "", a.classify(err)
	}
	m.File = name + callsEnd
	if first := dayFile(d.Day, 1) + callsEnd; first != m.File {
		d.Beside = first
		a.cfg.Logger.Warn("a day is written beside another file of it, which holds other calls: of another database, or of another copy of this one", "day", d.Day, "file", m.File, "beside", first, "folder", a.cfg.Dir)
	}
	described, err := unfinished(a.cfg.Dir, name+manifestEnd, func(w io.Writer) error {
		doc, err := json.MarshalIndent(&m, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(doc, '\n'))
		return err
	})
	if err != nil {
		return "", "", a.classify(err)
	}
	defer func() { _ = os.Remove(described) }()
	return filepath.Join(a.cfg.Dir, m.File), m.SHA256, a.classify(rename(described, filepath.Join(a.cfg.Dir, name+manifestEnd)))
}

// classify tells an error of the file system from one of the store.
func (a *Archiver) classify(err error) error {
	var path *os.PathError
	var link *os.LinkError
	if errors.As(err, &path) || errors.As(err, &link) {
		return unavailable(a.cfg.Dir, err)
	}
	return err
}

// lines writes the calls of a day, and notes which in the manifest.
func (a *Archiver) lines(ctx context.Context, w io.Writer, from, below int64, m *Manifest) error {
	buffered := bufio.NewWriterSize(w, 256<<10)
	err := a.cfg.Store.WalkNumbers(ctx, from, below, func(calls []event.Call) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		starts, err := a.cfg.Store.CallStarts(ctx, calls[0].Seq, calls[len(calls)-1].Seq)
		if err != nil {
			return err
		}
		for i := range calls {
			c := &calls[i]
			c.Started = starts[c.Seq]
			line, id, err := lineOf(c)
			if err != nil {
				return err
			}
			if m.Calls == 0 {
				m.First, m.FirstCall = c.Seq, id
			}
			m.Last, m.LastCall = c.Seq, id
			m.Calls++
			if _, err := buffered.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, buffered.Flush())
}

// lineOf returns a call as a line, and its id.
func lineOf(c *event.Call) (line []byte, id string, err error) {
	rec, err := event.ParseRecord(c.RecordJSON, c.PlanJSON)
	if err != nil {
		return nil, "", err
	}
	out := Call{Number: c.Seq, Ended: c.Ended, Record: c.RecordJSON}
	if !c.Started.IsZero() {
		out.Started = &c.Started
	}
	if rec.Plan != nil {
		plan, err := json.Marshal(rec.Plan)
		if err != nil {
			return nil, "", err
		}
		// The record is an object that is not empty, as AppendRecord wrote it.
		whole := append(c.RecordJSON[:len(c.RecordJSON)-1:len(c.RecordJSON)-1], `,"plan":`...)
		out.Record, out.Trace = append(append(whole, plan...), '}'), rec.Plan.Trace
	}
	line, err = json.Marshal(&out)
	return line, rec.ID.String(), err
}

// tidy makes the folder, and removes from it what who died left unfinished.
func tidy(dir string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unavailable(dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return unavailable(dir, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".calls-") || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if info, err := e.Info(); err != nil || now.Sub(info.ModTime()) < stale {
			continue // gone, or somebody may be writing it
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return unavailable(dir, err)
		}
	}
	return nil
}

// counter counts what goes through it and, with sha, sums it up.
type counter struct {
	w   io.Writer
	n   int64
	sha hash.Hash
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if c.sha != nil {
		c.sha.Write(b[:n])
	}
	return n, err
}
