package route

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"

	"github.com/cartrita/cartrita/model"
)

// ReadTrace reads what AppendTrace wrote into t, whose memory it uses again.
// Errors: KindConflict when another version wrote it, KindInvalid when it is
// damaged.
func ReadTrace(t *Trace, b []byte) error {
	r := traceReader{b: b}
	*t = Trace{Endpoints: t.Endpoints[:0], Attempts: t.Attempts[:0]}
	if version := r.byte(); version != traceVersion {
		return model.Errorf("route.ReadTrace", model.KindConflict, "is a decision trace of version %d, this program reads %d", version, traceVersion)
	}
	flags := r.uvarint()
	t.Fleet, t.Seed, t.Request.Prompt, t.Request.Prefix = r.fixed(), r.fixed(), r.fixed(), r.fixed()
	t.Snapshot, t.Now, t.Elapsed = r.uvarint(), time.Unix(0, r.varint()), time.Duration(r.varint())
	t.Task, t.Needs = model.Task(r.small()), model.FeatureSet(r.small())
	t.MaxAttempts, t.Keep = r.small(), r.small()
	t.Request.PromptBytes, t.Request.Images, t.Request.Choices = int64(r.uvarint()), r.small(), int64(r.uvarint())
	if flags&traceMaxOutput != 0 {
		t.MaxOutput = model.Known(r.varint())
	}
	if flags&traceLargest != 0 {
		t.Largest = math.Float64frombits(r.fixed())
	}
	r.strategy(&t.Strategy, flags)
	if flags&traceCriteria != 0 {
		t.Criteria = new(model.Criteria)
		r.json(t.Criteria)
	}
	if flags&traceBudget != 0 {
		t.Budget = new(model.BudgetLimits)
		r.json(t.Budget)
	}
	if flags&traceNamed != 0 {
		t.Named = r.positions([]int32{})
		for range r.count() {
			t.Chain = append(t.Chain, r.positions(nil))
		}
	}
	at := 0
	for i := range r.count() {
		step := r.small()
		if at += step; i > 0 && step == 0 || at > math.MaxInt32 {
			r.bad = true
		}
		t.Endpoints = append(t.Endpoints, r.figures(int32(at), t.Now))
	}
	t.Partial, t.Refused = flags&tracePartial != 0, flags&traceRefused != 0
	if !t.Refused {
		t.Score = r.float()
		t.Attempts = r.positions(t.Attempts)
	}
	if r.bad || len(r.b) > 0 || !t.Refused && len(t.Attempts) == 0 {
		return model.Errorf("route.ReadTrace", model.KindInvalid, "the decision trace is damaged")
	}
	return nil
}

// traceReader reads from b and remembers whether anything was wrong.
type traceReader struct {
	b   []byte
	bad bool
}

func (r *traceReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *traceReader) fixed() uint64 {
	if len(r.b) < 8 {
		r.bad, r.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *traceReader) float() float64 { return math.Float64frombits(r.fixed()) }

func (r *traceReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *traceReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// small reads a number that fits 31 bits.
func (r *traceReader) small() int {
	v := r.uvarint()
	if v > math.MaxInt32 {
		r.bad = true
		return 0
	}
	return int(v)
}

// count reads how many of something follow; each takes a byte at least.
func (r *traceReader) count() int {
	n := r.small()
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

func (r *traceReader) bytes() []byte {
	n := r.count()
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *traceReader) json(into any) {
	if doc := r.bytes(); !r.bad && json.Unmarshal(doc, into) != nil {
		r.bad = true
	}
}

func (r *traceReader) positions(to []int32) []int32 {
	for range r.count() {
		to = append(to, int32(r.small()))
	}
	return to
}

func (r *traceReader) strategy(s *Strategy, flags uint64) {
	s.Name = string(r.bytes())
	for _, w := range [...]*float64{&s.Weights.Quality, &s.Weights.Cost, &s.Weights.Latency, &s.Weights.Safety, &s.Weights.Availability} {
		*w = r.float()
	}
	if scope := r.byte(); int(scope) < len(scopes) {
		s.Fallback.Scope = scopes[scope]
	} else {
		r.bad = true
	}
	s.Fallback.NoLessSafe, s.Fallback.ContentPolicy = flags&traceNoLessSafe != 0, flags&traceContentPolicy != 0
	if flags&traceLimits != 0 {
		r.json(&s.Limits)
	}
}

func (r *traceReader) figures(at int32, now time.Time) Figures {
	f := Figures{At: at}
	flags := r.uvarint()
	e, h := &f.Estimate, &f.Health
	e.Method, e.Priced = methods[flags>>figMethod&3], flags&figPriced != 0
	h.Circuit = min(model.Circuit(flags>>figCircuit&3), model.CircuitHalfOpen)
	e.InputTokens, e.OutputTokens = r.varint(), r.varint()
	if e.Priced {
		e.Expected = model.Money(r.varint())
		e.Low, e.High = e.Expected-model.Money(r.varint()), e.Expected+model.Money(r.varint())
	}
	if flags&figCalled != 0 {
		h.InFlight, h.Queued = int32(r.varint()), int32(r.varint())
		for _, to := range [...]*float64{&h.Samples, &h.TTFTMS, &h.LatencyMS, &h.TokensPerSecond, &h.ErrorRate} {
			*to = r.float()
		}
	}
	if flags&figRetryAt != 0 {
		h.RetryAt = now.Add(time.Duration(r.varint()))
	}
	return f
}

// Fleet is the endpoints of a registry snapshot, ready for deciding again.
type Fleet struct {
	Served []model.Served
	Table  *Table
	Chains [][][]int32 // parallel to Served
}

// Again is the memory for making decisions again, one after the other, over
// one fleet. Not for concurrent use.
type Again struct {
	health    []model.Health
	estimates []model.Estimate
	only      []int32
	mem       Scratch
	in        Input
}

// Input makes the input of a traced decision again. It is valid until the next
// one; a caller may change it, and what Estimates holds at the positions of
// t.Endpoints, to ask what would have been chosen. The error is KindInvalid when
// the trace was not made over this fleet.
func (a *Again) Input(t *Trace, f *Fleet) (*Input, error) {
	n := len(f.Served)
	if a.only == nil {
		a.only = []int32{} // nil would be all endpoints
	}
	if cap(a.health) < n {
		a.health, a.estimates = make([]model.Health, n), make([]model.Estimate, n)
	}
	a.health, a.estimates, a.only = a.health[:n], a.estimates[:n], a.only[:0]
	for i := range t.Endpoints {
		e := &t.Endpoints[i]
		if int(e.At) >= n {
			return nil, foreignTrace()
		}
		a.health[e.At], a.estimates[e.At] = e.Health, e.Estimate
		a.only = append(a.only, e.At)
	}
	a.in = Input{
		Strategy: &t.Strategy, Criteria: t.Criteria, Budget: t.Budget, Task: t.Task, Needs: t.Needs, MaxOutput: t.MaxOutput, Largest: t.Largest,
		Served: f.Served, Health: a.health, Estimates: a.estimates, Table: f.Table,
		Only: a.only, Seed: t.Seed, Snapshot: t.Snapshot, Now: t.Now, Received: t.Now.Add(-t.Elapsed),
		MaxAttempts: t.MaxAttempts, Keep: t.Keep, Scratch: &a.mem,
		ChainOf: func(at int) [][]int32 { return f.Chains[at] },
	}
	if t.Named != nil {
		for _, list := range append(t.Chain, t.Named) {
			for _, at := range list {
				if int(at) >= n {
					return nil, foreignTrace()
				}
			}
		}
		a.in.Named, a.in.Chain = t.Named, t.Chain
	}
	return &a.in, nil
}

func foreignTrace() error {
	return model.Errorf("route.Again", model.KindInvalid, "the decision trace does not belong to this registry snapshot")
}

// Same reports whether a decision made again is the one of the trace: the same
// endpoints in the same order, and the same score; or again nobody.
func (t *Trace) Same(p *model.Plan) bool {
	if p == nil || t.Refused {
		return p == nil && t.Refused
	}
	if len(p.Attempts) != len(t.Attempts) || math.Abs(p.First().Score-t.Score) > 1e-12 {
		return false
	}
	for i, a := range p.Attempts {
		if p.Candidates[a.Candidate].Index != int(t.Attempts[i]) {
			return false
		}
	}
	return true
}
