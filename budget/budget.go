package budget

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// The default thresholds, as shares of the limit.
const (
	DefaultWarning  = 0.7
	DefaultCritical = 0.9
	DefaultHardStop = 1.0
)

// Hysteresis is how far the share must fall below a step before it is left.
const Hysteresis = 0.05

// Any in a scope makes one counter per distinct value.
const Any = "*"

// Budget is one budget as it is configured. At least one limit is set; a limit
// of 0 refuses everything.
type Budget struct {
	Name          string       `json:"name"`
	Scope         Scope        `json:"scope,omitzero"` // empty: everything
	Period        Every        `json:"period"`
	Rolling       bool         `json:"rolling,omitempty"`
	TimeZone      string       `json:"time_zone,omitempty"` // IANA name; default UTC
	LimitUSD      *model.Money `json:"limit_usd,omitempty"`
	LimitTokens   *int64       `json:"limit_tokens,omitempty"`
	LimitRequests *int64       `json:"limit_requests,omitempty"`
	Thresholds    Thresholds   `json:"thresholds,omitzero"`
	Ladder        []Step       `json:"ladder,omitempty"`        // default: refuse at the hard stop
	Reserve       string       `json:"reserve,omitempty"`       // worst or p75 … p99; default worst
	UnknownPrice  UnknownPrice `json:"unknown_price,omitempty"` // default: the ledger's
}

// Scope says which calls a budget counts: those that match every value given.
type Scope struct {
	Key      string `json:"key,omitempty"`
	User     string `json:"user,omitempty"`
	Team     string `json:"team,omitempty"`
	Project  string `json:"project,omitempty"`
	Workflow string `json:"workflow,omitempty"`
	Model    string `json:"model,omitempty"`
	Provider string `json:"provider,omitempty"`
	Tag      string `json:"tag,omitempty"`
}

// Thresholds are shares of the limit whose crossing is reported.
type Thresholds struct {
	Warning  float64 `json:"warning"`
	Critical float64 `json:"critical"`
	HardStop float64 `json:"hard_stop"`
}

// UnknownPrice says what a call without a known price counts as.
type UnknownPrice string

// The policies.
const (
	Refuse    UnknownPrice = "refuse"     // it is refused
	AssumeMax UnknownPrice = "assume-max" // the highest known price
	Free      UnknownPrice = "free"       // nothing
)

// Action is what a step of a ladder does.
type Action string

// The actions, from mild to harsh.
const (
	Notify         Action = "notify"           // only reports
	PreferCheaper  Action = "prefer-cheaper"   // decides by the strategy cost-optimized
	MaxPrice       Action = "max-price"        // only endpoints up to Value dollars per 1,000 tokens
	RequireTag     Action = "require-tag"      // only models with the tag Value
	SelfHostedOnly Action = "self-hosted-only" // only endpoints on own hardware
	CapTokens      Action = "cap-tokens"       // at most Value tokens of output
	RefuseCalls    Action = "refuse"           // none
)

// Step is a step of a budget's ladder.
type Step struct {
	At     float64 `json:"at"` // share of the limit from which it is in force, 0 to 1
	Action Action  `json:"action"`
	Value  Value   `json:"value,omitempty"`
}

// Value is the argument of an action: a number or a word.
type Value string

// UnmarshalJSON reads a number or a string.
func (v *Value) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*v = Value(s)
		return err
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("value: want a number or a string, got %s", b)
	}
	*v = Value(n)
	return nil
}

// WithDefaults fills in what is left out. unknown is the policy of the ledger.
func (b Budget) WithDefaults(unknown UnknownPrice) Budget {
	set := func(p *float64, def float64) {
		if *p == 0 {
			*p = def
		}
	}
	t := &b.Thresholds
	set(&t.HardStop, DefaultHardStop)
	set(&t.Critical, min(DefaultCritical, t.HardStop))
	set(&t.Warning, min(DefaultWarning, t.Critical))
	if b.Reserve == "" {
		b.Reserve = "worst"
	}
	if b.UnknownPrice == "" {
		b.UnknownPrice = unknown
	}
	if b.TimeZone == "" {
		b.TimeZone = "UTC"
	}
	if len(b.Ladder) == 0 {
		b.Ladder = []Step{{At: t.HardStop, Action: RefuseCalls}}
	}
	return b
}

// Validate checks a budget after its defaults are filled in. Errors are
// KindInvalid with the field.
func (b *Budget) Validate() error {
	const op = "budget.Validate"
	if b.Name == "" || len(b.Name) > 64 || strings.ContainsAny(b.Name, "/%*?# \t\r\n") {
		return model.Invalidf(op, "name", "is %q: want 1 to 64 characters without spaces and without / %% * ? #", b.Name)
	}
	if b.Name == "audit" {
		return model.Invalidf(op, "name", "is %q, which the API has another use for", b.Name)
	}
	if _, err := newCalendar(b.Period, b.Rolling, b.TimeZone); err != nil {
		return err
	}
	if b.LimitUSD == nil && b.LimitTokens == nil && b.LimitRequests == nil {
		return model.Invalidf(op, "limit_usd", "is missing: want at least one of limit_usd, limit_tokens, limit_requests")
	}
	for _, f := range []struct {
		name string
		n    *int64
	}{{"limit_usd", (*int64)(b.LimitUSD)}, {"limit_tokens", b.LimitTokens}, {"limit_requests", b.LimitRequests}} {
		if f.n != nil && (*f.n < 0 || *f.n > most) {
			return outOfRange(op, f.name, *f.n)
		}
	}
	t := b.Thresholds
	if !(t.Warning > 0 && t.Warning <= t.Critical && t.Critical <= t.HardStop && t.HardStop <= 1) {
		return model.Invalidf(op, "thresholds", "are %v, %v, %v: want 0 < warning ≤ critical ≤ hard_stop ≤ 1", t.Warning, t.Critical, t.HardStop)
	}
	if len(b.Ladder) > 32 {
		return model.Invalidf(op, "ladder", "has %d steps: want at most 32", len(b.Ladder))
	}
	for i := range b.Ladder {
		at := fmt.Sprintf("ladder[%d]", i)
		if err := b.Ladder[i].validate(at); err != nil {
			return err
		}
	}
	if _, err := quantileOf(b.Reserve); err != nil {
		return err
	}
	switch b.UnknownPrice {
	case Refuse, AssumeMax, Free:
		return nil
	}
	return model.Invalidf(op, "unknown_price", "is %q: want refuse, assume-max or free", b.UnknownPrice)
}

func (s *Step) validate(at string) error {
	const op = "budget.Validate"
	if !(s.At >= 0 && s.At <= 1) {
		return model.Invalidf(op, at+".at", "is %v: want a share of the limit from 0 to 1", s.At)
	}
	switch s.Action {
	case MaxPrice:
		if p, err := model.ParseMoney(string(s.Value)); err != nil || p < 0 {
			return model.Invalidf(op, at+".value", "is %q: want dollars per 1,000 tokens, such as 0.002", s.Value)
		}
	case RequireTag:
		if s.Value == "" {
			return model.Invalidf(op, at+".value", "is missing: want the tag that a model must have")
		}
	case CapTokens:
		if n, err := strconv.ParseInt(string(s.Value), 10, 64); err != nil || n < 1 {
			return model.Invalidf(op, at+".value", "is %q: want a number of tokens, at least 1", s.Value)
		}
	case Notify, PreferCheaper, SelfHostedOnly, RefuseCalls:
		if s.Value != "" {
			return model.Invalidf(op, at+".value", "is %q: %s takes none", s.Value, s.Action)
		}
	default:
		return model.Invalidf(op, at+".action", "is %q: want notify, prefer-cheaper, max-price, require-tag, self-hosted-only, cap-tokens or refuse", s.Action)
	}
	return nil
}

// quantileOf reads a reserve mode: 0 for worst, else the share.
func quantileOf(mode string) (float64, error) {
	if mode == "worst" {
		return 0, nil
	}
	if digits, ok := strings.CutPrefix(mode, "p"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n >= 75 && n <= 99 {
			return float64(n) / 100, nil
		}
	}
	return 0, model.Invalidf("budget.Validate", "reserve", "is %q: want worst, or a quantile from p75 to p99", mode)
}

// String words a scope: "team=a, model=*"; "everything" when empty.
func (s Scope) String() string {
	var parts []string
	for d, v := range s.values() {
		if v != "" {
			parts = append(parts, dimNames[d]+"="+v)
		}
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// The dimensions of a scope, in the order in which values appear in an id.
const (
	dimKey = iota
	dimUser
	dimTeam
	dimProject
	dimWorkflow
	dimTag
	dimModel
	dimProvider
	dims
)

var dimNames = [dims]string{"key", "user", "team", "project", "workflow", "tag", "model", "provider"}

func (s Scope) values() [dims]string {
	return [dims]string{s.Key, s.User, s.Team, s.Project, s.Workflow, s.Tag, s.Model, s.Provider}
}

func scopeOf(v [dims]string) Scope {
	return Scope{
		Key: v[dimKey], User: v[dimUser], Team: v[dimTeam], Project: v[dimProject],
		Workflow: v[dimWorkflow], Tag: v[dimTag], Model: v[dimModel], Provider: v[dimProvider],
	}
}

// What is counted.
const (
	usd = iota
	tokens
	requests
	units
)

var unitNames = [units]string{"usd", "tokens", "requests"}

// most bounds every counter, so that sums of counters and one call stay within
// an int64; large bounds what one call adds.
const (
	most  = math.MaxInt64 / 2
	large = most / 8
)

// amounts are nano-USD, tokens and requests.
type amounts [units]int64

// Quantities are amounts for people and machines outside.
type Quantities struct {
	USD      model.Money `json:"usd"`
	Tokens   int64       `json:"tokens"`
	Requests int64       `json:"requests"`
}

func (a amounts) quantities() Quantities {
	return Quantities{USD: model.Money(a[usd]), Tokens: a[tokens], Requests: a[requests]}
}

func (q Quantities) amounts() amounts { return amounts{int64(q.USD), q.Tokens, q.Requests} }

func clamp(n int64) int64 { return min(max(n, 0), large) }
