package cartrita

import (
	"errors"
	"io"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
)

// relay carries one stream from an upstream to the caller. Events before the
// first content are held back, so that another endpoint can still take over
// unnoticed, and a whole stream is while its endpoint is on probation (see
// trust). The events that end the stream are held back until the outcome is
// recorded.
type relay struct {
	hold     bool          // the endpoint is on probation
	out      []byte        // events held back
	usage    model.Usage   // latest report
	report   []byte        // the event that only reports usage, if the caller wants it
	done     []byte        // the closing event
	outBytes int64         // of answer text
	first    time.Time     // when the first content came; zero: none yet
	blocked  time.Duration // spent on the caller, who may be slow
	waiting  *time.Timer   // runs out when no content has come for too long; nil: no limit
}

// maxHeld bounds the bytes of a stream that is held back. A longer one on
// probation is relayed from there on; one that has no content by then is broken.
const maxHeld = 256 << 10

// run relays until the upstream's end. It returns nil after a proper end only.
func (l *relay) run(r *run, st provider.Stream) *model.Error {
	now := r.now()
	for {
		before := r.now()
		l.blocked += before.Sub(now)
		c, err := st.Next()
		now = r.now()
		r.upstream += now.Sub(before)
		if errors.Is(err, io.EOF) {
			return l.ended(r)
		}
		if err != nil {
			return model.AsError(err)
		}
		if l.first.IsZero() && len(l.out) > maxHeld {
			return &model.Error{Op: "cartrita.relay", Kind: model.KindUpstream, Message: "the endpoint sent no content for too long"}
		}
		if err := l.take(r, c, now); err != nil {
			return &model.Error{Op: "cartrita.relay", Kind: model.KindCanceled, Message: "the caller went away", Err: err}
		}
	}
}

// take handles one chunk. Its error is the caller's.
func (l *relay) take(r *run, c provider.Chunk, now time.Time) error {
	if c.Usage.Source != "" {
		l.usage = c.Usage
	}
	l.outBytes += int64(c.OutputBytes)
	switch {
	case c.Done:
		l.done = append(l.done[:0], c.Data...)
		return nil
	case c.UsageOnly:
		if r.call.WantsUsage {
			l.report = append(l.report[:0], c.Data...)
		}
		return nil
	}
	if c.Content && l.first.IsZero() {
		l.first = now
		if l.waiting != nil {
			l.waiting.Stop()
		}
	}
	switch {
	case len(c.Data) == 0:
		return nil
	case r.started:
		return r.w.Chunk(c.Data)
	case l.hold && len(l.out)+len(c.Data) <= maxHeld, l.first.IsZero():
		l.out = append(l.out, c.Data...)
		return nil
	}
	return l.start(r, c.Data)
}

// start opens the caller's stream with what was held back and data. From here
// on no other endpoint can take over.
func (l *relay) start(r *run, data []byte) error {
	r.started, r.shown = true, r.now()
	r.release(&r.answer)
	if err := r.w.Start(r.info(), r.resp.Header); err != nil {
		return err
	}
	l.out = append(l.out, data...)
	if len(l.out) == 0 {
		return nil
	}
	err := r.w.Chunk(l.out)
	l.out = l.out[:0]
	return err
}

// ended opens a stream that was held back to its end, or had no content at all.
func (l *relay) ended(r *run) *model.Error {
	if r.started {
		return nil
	}
	if err := l.start(r, nil); err != nil {
		return &model.Error{Op: "cartrita.relay", Kind: model.KindCanceled, Message: "the caller went away", Err: err}
	}
	return nil
}

// tail writes what ends the stream: the usage with its cost, if the caller
// wants it, and the closing event.
func (l *relay) tail(r *run) error {
	end := l.out[:0]
	if r.call.WantsUsage {
		end = appendUsageEvent(end, l.report, r.rec)
	}
	return r.w.Chunk(append(end, l.done...))
}
