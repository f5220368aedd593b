package event

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Summary is what a store asks of a call for its columns and sums: small
// enough to wait in memory by the thousand and to be read from the spool
// without parsing a document.
type Summary struct {
	ID       model.CallID
	State    model.State
	Task     model.Task
	Strategy string // of the plan; "" if the call never had one
	Model    model.ModelID
	Endpoint model.EndpointID
	Provider string
	User     string
	Workflow string // workflow run id
	Stage    string
	Session  string

	Key        model.KeyID
	Team       string
	Project    string
	Supervisor string
	Tags       []string // of the key
	Charges    []model.Charge

	Unpriced  bool
	Billed                // for all attempts
	Shares    []Share     // of it, billed for attempts at other endpoints than Endpoint, each once; nil for most calls
	Estimated model.Money // 0 when nothing was sent, as LatencyMS
	LatencyMS float64     // 0 unknown
	TTFTMS    float64     // 0 unknown, or no stream
}

// Billed is what was billed.
type Billed struct {
	Cost       model.Money
	Input      int64 // tokens, as the following; 0 when unknown
	CachedRead int64
	CacheWrite int64
	Output     int64
	Reasoning  int64
}

// Share is what one endpoint billed.
type Share struct {
	Target
	Billed
}

// Target is an endpoint with what it serves and whose it is.
type Target struct {
	Endpoint model.EndpointID
	Model    model.ModelID
	Provider string
}

// Target returns what answered, or was tried last.
func (s *Summary) Target() Target { return Target{s.Endpoint, s.Model, s.Provider} }

func (b *Billed) add(o *Billed, sign int64) {
	b.Cost += model.Money(sign) * o.Cost
	b.Input += sign * o.Input
	b.CachedRead += sign * o.CachedRead
	b.CacheWrite += sign * o.CacheWrite
	b.Output += sign * o.Output
	b.Reasoning += sign * o.Reasoning
}

func billed(cost model.Money, u *model.Usage) Billed {
	tokens := func(c model.Count) int64 { return between(c.Or(0), maxTokens) }
	return Billed{
		Cost: between(cost, maxAmount), Input: tokens(u.Input), CachedRead: tokens(u.CachedRead), CacheWrite: tokens(u.CacheWrite),
		Output: tokens(u.Output), Reasoning: tokens(u.Reasoning),
	}
}

// What one call may add to sums over many: a figure beyond that is a fault of
// who reported it, and must not make the sums of all others overflow.
const (
	maxAmount = 1_000_000 * model.USD
	maxTokens = 1_000_000_000_000
)

func between[T ~int64](v, most T) T { return max(0, min(v, most)) }

// Summarize returns the summary of a record.
func Summarize(r *model.Record) Summary {
	s := Summary{
		ID: r.ID, State: r.State, Task: r.Task, Model: r.Model, Endpoint: r.Endpoint, Provider: r.Provider,
		Key: r.Caller.Key, Team: r.Caller.Team, Project: r.Caller.Project, Tags: r.Caller.Tags,
		Supervisor: r.Context.Supervisor, Charges: r.Charges,
		User: r.Context.UserID, Workflow: r.Context.WorkflowRunID, Stage: r.Context.Stage, Session: r.Context.SessionID,
		Unpriced: r.Cost.Unpriced, Billed: billed(r.Cost.Total, &r.Usage), TTFTMS: finite(r.TTFTMS),
	}
	if slices.ContainsFunc(r.Attempts, func(a model.Attempt) bool { return a.Sent() }) {
		s.Estimated, s.LatencyMS = between(r.Estimated, maxAmount), finite(r.LatencyMS)
	}
	if r.Plan != nil {
		s.Strategy = r.Plan.Strategy
	}
	for i := range max(len(r.Attempts)-1, 0) { // the usage of the record is that of the last
		s.earlier(&r.Attempts[i])
	}
	return s
}

// earlier adds what an attempt before the last was billed. Its cost is in that
// of the call already, its tokens are not.
func (s *Summary) earlier(a *model.Attempt) {
	b := billed(a.Cost, &a.Usage)
	if b == (Billed{}) {
		return
	}
	s.Input += b.Input
	s.CachedRead += b.CachedRead
	s.CacheWrite += b.CacheWrite
	s.Output += b.Output
	s.Reasoning += b.Reasoning
	if a.Endpoint == s.Endpoint {
		return
	}
	for i := range s.Shares {
		if s.Shares[i].Endpoint == a.Endpoint {
			s.Shares[i].add(&b, 1)
			return
		}
	}
	s.Shares = append(s.Shares, Share{Target{a.Endpoint, a.Model, a.Endpoint.Provider()}, b})
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// The frame holds the strings behind their length, then the numbers as
// varints, then the milliseconds as eight bytes each; then, if anything is
// known of it, who paid: strings, tags and charges behind their number; then,
// if there are any, the shares behind their number. The id is in the header. A
// summary that ends before the last part was written by a version that did not
// know it.

func (s *Summary) append(b []byte) []byte {
	for _, t := range [...]string{string(s.State), s.Task.String(), s.Strategy, string(s.Model), string(s.Endpoint), s.Provider, s.User, s.Workflow, s.Stage, s.Session} {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	for _, n := range [...]int64{bit(s.Unpriced, 0), int64(s.Cost), int64(s.Estimated), s.Input, s.CachedRead, s.CacheWrite, s.Output, s.Reasoning} {
		b = binary.AppendVarint(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.LatencyMS))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.TTFTMS))
	if s.Key == "" && s.Team == "" && s.Project == "" && s.Supervisor == "" && len(s.Tags)+len(s.Charges)+len(s.Shares) == 0 {
		return b
	}
	b = s.appendPayer(b)
	if len(s.Shares) == 0 {
		return b
	}
	return s.appendShares(b)
}

func (s *Summary) appendShares(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.Shares)))
	for i := range s.Shares {
		p := &s.Shares[i]
		for _, t := range [...]string{string(p.Endpoint), string(p.Model), p.Provider} {
			b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
		}
		for _, n := range [...]int64{int64(p.Cost), p.Input, p.CachedRead, p.CacheWrite, p.Output, p.Reasoning} {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

func (s *Summary) appendPayer(b []byte) []byte {
	str := func(t string) { b = append(binary.AppendUvarint(b, uint64(len(t))), t...) }
	for _, t := range [...]string{string(s.Key), s.Team, s.Project, s.Supervisor} {
		str(t)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Tags)))
	for _, t := range s.Tags {
		str(t)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Charges)))
	for i := range s.Charges {
		c := &s.Charges[i]
		str(string(c.Budget))
		for _, n := range [...]int64{c.Period.UnixMicro(), int64(c.Cost), c.Tokens, c.Requests, bit(c.Assumed, 0)} {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

// read is the inverse of append; it reports whether b was one.
func (s *Summary) read(b []byte) bool {
	all := string(b) // one piece of memory for all strings
	var text [10]string
	for i := range text {
		head, rest, ok := prefixed(b)
		if !ok {
			return false
		}
		end := len(all) - len(rest)
		text[i], b = all[end-len(head):end], rest
	}
	task, err := model.ParseTask(text[1])
	if err != nil {
		return false
	}
	s.State, s.Task, s.Strategy, s.Model, s.Endpoint = model.State(text[0]), task, text[2], model.ModelID(text[3]), model.EndpointID(text[4])
	s.Provider, s.User, s.Workflow, s.Stage, s.Session = text[5], text[6], text[7], text[8], text[9]
	var n [8]int64
	for i := range n {
		v, k := binary.Varint(b)
		if k <= 0 {
			return false
		}
		n[i], b = v, b[k:]
	}
	if len(b) < 16 {
		return false
	}
	s.Unpriced, s.Cost, s.Estimated = n[0] != 0, model.Money(n[1]), model.Money(n[2])
	s.Input, s.CachedRead, s.CacheWrite, s.Output, s.Reasoning = n[3], n[4], n[5], n[6], n[7]
	s.LatencyMS = finite(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	s.TTFTMS = finite(math.Float64frombits(binary.LittleEndian.Uint64(b[8:])))
	b = b[16:]
	return len(b) == 0 || s.readPayer(b)
}

// readPayer is the inverse of appendPayer and of appendShares.
func (s *Summary) readPayer(b []byte) bool {
	ok := true
	str := func() string {
		head, rest, whole := prefixed(b)
		if ok = ok && whole; !ok {
			return ""
		}
		b = rest
		return string(head)
	}
	num := func() int64 {
		v, k := binary.Varint(b)
		if ok = ok && k > 0; !ok {
			return 0
		}
		b = b[k:]
		return v
	}
	many := func() int { // no more than bytes are left
		n, k := binary.Uvarint(b)
		if ok = ok && k > 0 && n <= uint64(len(b)); !ok {
			return 0
		}
		b = b[k:]
		return int(n)
	}
	s.Key, s.Team, s.Project, s.Supervisor = model.KeyID(str()), str(), str(), str()
	for range many() {
		s.Tags = append(s.Tags, str())
	}
	for range many() {
		s.Charges = append(s.Charges, model.Charge{
			Budget: model.BudgetID(str()), Period: time.UnixMicro(num()).UTC(),
			Cost: model.Money(num()), Tokens: num(), Requests: num(), Assumed: num() != 0,
		})
	}
	if len(b) > 0 {
		for range many() {
			s.Shares = append(s.Shares, Share{
				Target{model.EndpointID(str()), model.ModelID(str()), str()},
				Billed{model.Money(num()), num(), num(), num(), num(), num()},
			})
		}
	}
	return ok && len(b) == 0
}
