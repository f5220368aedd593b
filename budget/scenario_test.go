package budget

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cartrita/cartrita/model"
)

var update = flag.Bool("update", false, "rewrite what the scenario files expect")

// TestScenarios walks budgets through files of steps. A line that begins with
// a word is a step, what follows indented is what came of it:
//
//	clock TIME                  sets the clock; "clock +90m" moves it on
//	budget JSON                 adds a budget
//	call k=v …                  view, reserve, settle: cost=, held= (default cost), tokens=, team=, model=, …
//	view k=v …                  what a decision is made under
//	override ID JSON            puts an override on a budget
//	status                      lists the counters
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".scenario"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := walk(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s: run go test ./budget -update and read the difference; got:\n%s", file, got)
			}
		})
	}
}

// walker is a ledger on the way through a scenario.
type walker struct {
	clock   *clock
	ledger  *Ledger
	budgets []Budget
	zone    *time.Location
	out     bytes.Buffer
	crossed []Crossing
}

func walk(t *testing.T, text string) string {
	w := &walker{clock: newClock(start), zone: time.UTC}
	var err error
	w.ledger, err = New(Config{Clock: w.clock.now, OnCross: func(c Crossing) { w.crossed = append(w.crossed, c) }})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue
		}
		fmt.Fprintln(&w.out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if err := w.step(word, rest); err != nil {
			w.sayf("error: %v", err)
		}
		for _, c := range w.crossed {
			w.sayf("event: %s crossed %s%s at %v with %.4g used, period %s", c.Budget, c.Threshold, after(" ", string(c.Action)), c.At, c.Used, w.local(c.Period))
		}
		w.crossed = nil
		if im := w.ledger.Check(); !im.Balanced() || im.Holds != 0 {
			t.Errorf("%s: %+v", line, im)
		}
	}
	return w.out.String()
}

func (w *walker) sayf(format string, args ...any) { fmt.Fprintf(&w.out, "    "+format+"\n", args...) }

func (w *walker) local(t time.Time) string { return t.In(w.zone).Format("2006-01-02T15:04Z07:00") }

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

func (w *walker) step(word, rest string) error {
	switch word {
	case "clock":
		if by, ok := strings.CutPrefix(rest, "+"); ok {
			d, err := time.ParseDuration(by)
			w.clock.add(d)
			return err
		}
		at, err := time.Parse(time.RFC3339, rest)
		w.clock.set(at)
		return err
	case "zone":
		var err error
		w.zone, err = time.LoadLocation(rest)
		return err
	case "budget":
		var b Budget
		dec := json.NewDecoder(strings.NewReader(rest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&b); err != nil {
			return err
		}
		if err := w.ledger.Configure(append(w.budgets, b)); err != nil {
			return err
		}
		w.budgets = append(w.budgets, b)
		return nil
	case "override":
		id, text, _ := strings.Cut(rest, " ")
		var o Override
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return err
		}
		return w.ledger.Override(model.BudgetID(id), o)
	case "status":
		for _, s := range w.ledger.Status() {
			resets := "never"
			if s.ResetsAt != nil {
				resets = w.local(*s.ResetsAt)
			}
			w.sayf("%s: %s spent, %.4g used, crossed %v, resets %s", s.ID, s.Spent.USD, s.Used, s.Thresholds, resets)
		}
		return nil
	case "view", "call":
		return w.call(word == "call", strings.Fields(rest))
	}
	return fmt.Errorf("unknown step %q", word)
}

func (w *walker) call(send bool, fields []string) error {
	var s Subject
	var t Target
	ask := Amounts{Known: true, Requests: 1}
	spend := Spend{Known: true, Requests: 1}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		var err error
		switch k {
		case "cost":
			spend.Cost, err = model.ParseMoney(v)
			if ask.Worst == 0 {
				ask.Worst, ask.Quantile = spend.Cost, spend.Cost
			}
		case "held":
			ask.Worst, err = model.ParseMoney(v)
			ask.Quantile = ask.Worst
		case "tokens":
			ask.Tokens, err = strconv.ParseInt(v, 10, 64)
			spend.Tokens = ask.Tokens
		case "key":
			s.Key = model.KeyID(v)
		case "user":
			s.User = v
		case "team":
			s.Team = v
		case "project":
			s.Project = v
		case "workflow":
			s.Workflow = v
		case "tag":
			s.Tags = append(s.Tags, v)
		case "model":
			t.Model = model.ModelID(v)
		case "provider":
			t.Provider = v
		default:
			err = fmt.Errorf("unknown field %q", k)
		}
		if err != nil {
			return err
		}
	}
	w.sayf("before: %s", worded(w.ledger.View(&s)))
	if !send {
		return nil
	}
	h, refused := w.ledger.Reserve(&s, t, ask)
	if refused != nil { // what the scenario wants to see
		w.sayf("refused (%d, retry after %s): %s", refused.Kind.Status(), refused.RetryAfter, refused.Message)
		return nil //nolint:nilerr // said
	}
	for _, c := range h.Settle(nil, spend) {
		w.sayf("charged %s to %s, period %s", c.Cost, c.Budget, w.local(c.Period))
	}
	w.sayf("after:  %s", worded(w.ledger.View(&s)))
	return nil
}

func worded(v View) string {
	var parts []string
	for _, s := range v.Steps {
		parts = append(parts, fmt.Sprintf("%s %s%s", s.Budget, s.Action, after(" ", s.Detail)))
	}
	if v.Limits != nil {
		for _, r := range v.Limits.Rules {
			if r.Closed {
				parts = append(parts, fmt.Sprintf("%s closes %s%s", r.Budget, r.Model, r.Provider))
			}
		}
	}
	if v.Refusal != nil {
		parts = append(parts, "refuses all")
	}
	if len(parts) == 0 {
		return "free"
	}
	return strings.Join(parts, ", ")
}
