package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

type replayCmd struct {
	Since string `default:"7d" help:"Calls since then: a time, a date, or how long ago such as 24h or 30d. Default: 7d." placeholder:"WHEN"`
	Until string `help:"Until then. Default: now." placeholder:"WHEN"`

	Strategy     string   `short:"s" help:"Decide by this strategy." placeholder:"NAME"`
	KeepLimits   bool     `help:"Hold each call to the hard limits of the strategy that it was decided under as well."`
	Prices       string   `help:"Decide at these prices: a file of cost profiles by endpoint or model id." placeholder:"FILE" type:"existingfile"`
	Change       string   `help:"Decide under this change: a file with any of strategy, own_strategy, keep_limits, prices, exclude_models, only_models, budget and budgets; the flags beside it come first." placeholder:"FILE" type:"existingfile"`
	ExcludeModel []string `help:"Decide without this model; may be repeated." placeholder:"ID"`
	OnlyModel    []string `help:"Decide among these models only; may be repeated." placeholder:"ID"`

	By      string `default:"model" help:"Group by model, endpoint, task, strategy, user, team, project or stage. Default: model." placeholder:"WHAT"`
	Changes int    `default:"10" help:"List so many of the calls that would have gone elsewhere. Default: 10." placeholder:"N"`
	User    string `help:"Only calls of this user." placeholder:"ID"`
	Team    string `help:"Only calls of this team." placeholder:"NAME"`
	Project string `help:"Only calls of this project." placeholder:"NAME"`
}

// Run decides stored calls again.
func (cmd *replayCmd) Run(a *app, g *globals, p *printer) error {
	change, err := cmd.change()
	if err != nil {
		return err
	}
	q := url.Values{"changes": {strconv.Itoa(cmd.Changes)}}
	for name, v := range map[string]string{
		"since": cmd.Since, "until": cmd.Until, "by": cmd.By, "user": cmd.User, "team": cmd.Team, "project": cmd.Project,
	} {
		setQuery(q, name, v)
	}
	return judge(a, g, p, func(c *client) ([]byte, error) {
		return c.post(a.ctx, "/api/v1/replay", q, change)
	}, func(report cartrita.ReplayReport) {
		p.replay(&report, cmd.By)
	}, func(report cartrita.ReplayReport) error {
		if report.Different == 0 {
			return nil
		}
		return model.Errorf("", model.KindInternal, "%d of %s %s made otherwise when made again without any change",
			report.Different, plural(int(report.Calls), "decision"), agree(report.Different, "was", "were"))
	})
}

// change is what the flags and the file ask for.
func (cmd *replayCmd) change() (change cartrita.Change, err error) {
	if cmd.Change != "" {
		if err = readChange(cmd.Change, &change); err != nil {
			return change, err
		}
	}
	if cmd.Strategy != "" {
		change.Strategy, change.Own = cmd.Strategy, nil
	}
	change.KeepLimits = change.KeepLimits || cmd.KeepLimits
	for _, m := range cmd.ExcludeModel {
		change.ExcludeModels = append(change.ExcludeModels, model.ModelID(m))
	}
	for _, m := range cmd.OnlyModel {
		change.OnlyModels = append(change.OnlyModels, model.ModelID(m))
	}
	if cmd.Prices != "" {
		change.Prices, err = readPrices(cmd.Prices)
	}
	return change, err
}

// readChange reads a change as the API takes it, YAML or JSON.
func readChange(file string, change *cartrita.Change) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return model.Invalidf("", "--change", "%v", err)
	}
	doc, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return model.Invalidf("", "--change", "%s: %v", file, err)
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(change); err != nil {
		return model.Invalidf("", "--change", "%s: %v", file, err)
	}
	return nil
}

// readPrices reads cost profiles by endpoint or model id, YAML or JSON.
func readPrices(file string) (map[string]*model.Pricing, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, model.Invalidf("", "--prices", "%v", err)
	}
	var prices map[string]*model.Pricing
	if err := yaml.UnmarshalWithOptions(raw, &prices, yaml.Strict()); err != nil {
		return nil, model.Invalidf("", "--prices", "%s: %s%v", file, priceAt(raw), err)
	}
	return prices, nil
}

// priceAt is the model and the member of the first price that cannot be read,
// with a colon; nothing when that is not known: the error says what is wrong
// with it, but not always where.
func priceAt(raw []byte) string {
	var prices yaml.MapSlice
	if yaml.Unmarshal(raw, &prices) != nil {
		return ""
	}
	for _, price := range prices {
		members, ok := price.Value.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v: ", price.Key)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			one, err := yaml.Marshal(map[string]any{name: members[name]})
			if err == nil && yaml.UnmarshalWithOptions(one, new(model.Pricing), yaml.Strict()) != nil {
				return fmt.Sprintf("%v.%s: ", price.Key, name)
			}
		}
	}
	return ""
}

func (p *printer) replay(r *cartrita.ReplayReport, by string) {
	p.printf("%s", plural(int(r.Calls-r.Decisions), "call"))
	if r.Decisions > 0 {
		p.printf(" and %s without a call", plural(int(r.Decisions), "decision"))
	}
	p.printf(" decided again, %d identical", r.Identical)
	if r.Different > 0 {
		p.printf(", %s", p.style(bold+";"+red, fmt.Sprintf("%d different", r.Different)))
	}
	p.printf("\n")
	if r.Untraced > 0 {
		p.notef("%s %s nothing to decide again from: recorded by another version, or refused before a decision was made",
			plural(int(r.Untraced), "call"), agree(r.Untraced, "holds", "hold"))
	}
	p.damaged(&r.Damaged)
	if r.Partial > 0 {
		p.notef("of %s only the best endpoints are on record: of a large registry, others might have been chosen", plural(int(r.Partial), "call"))
	}
	for _, m := range r.Mismatches {
		p.printf("  %s  was %v, again %v\n", m.ID, m.Was, m.Again)
	}
	if r.Total == nil {
		return
	}
	p.printf("\n")
	t := p.table("~"+by, ">calls", ">elsewhere", ">refused", ">cost", ">would cost", ">saved (90 %)", ">first token", ">quality")
	row := func(style, key string, c *cartrita.Comparison) {
		texts := []string{
			key, strconv.FormatInt(c.Calls, 10), strconv.FormatInt(c.Changed, 10), strconv.FormatInt(c.Refused, 10), c.Cost.String(), c.Would.String(),
			fmt.Sprintf("$%.6g (%.6g to %.6g)", c.Saved.Value, c.Saved.Low, c.Saved.High), meanChange(c.Latency, "%+.0f ms"), meanChange(c.Quality, "%+.3f"),
		}
		cells := make([]cell, len(texts))
		for i, s := range texts {
			cells[i] = cell{s, style}
		}
		t.styled(cells...)
	}
	for i := range r.Groups {
		row("", groupName(r.Groups[i].Key), &r.Groups[i])
	}
	row(bold, totalName, r.Total)
	t.flush()
	if left := r.Total.Calls - r.Total.Priced; left > 0 {
		p.notef("%s %s not in the costs: not completed, or without a known price", plural(int(left), "call"), agree(left, "is", "are"))
	}
	if n := r.Total.Beyond; n > 0 {
		p.notef("%s would have gone where the hard limits of their own strategy forbid; --keep-limits holds them to these", plural(int(n), "call"))
	}
	p.replayChanges(r.Changes)
	for _, m := range r.Method {
		p.notef("%s", m)
	}
}

// damaged says which calls were left out.
func (p *printer) damaged(d *cartrita.Damaged) {
	if d.Archived != nil {
		p.notef("calls that ended before %s are archived, and in none of these figures", d.Archived.Format(time.DateOnly))
	}
	if d.Count == 0 {
		return
	}
	p.notef("%s cannot be read and %s left out, since the store is damaged:", plural(int(d.Count), "call"), agree(d.Count, "is", "are"))
	for _, c := range d.First {
		id := "(unreadable)"
		if c.ID != (model.CallID{}) {
			id = c.ID.String()
		}
		p.notef("  %s  ended %s", id, c.Ended.Format(time.RFC3339Nano))
	}
}

func meanChange(i *cartrita.Interval, format string) string {
	if i == nil {
		return "unknown"
	}
	return fmt.Sprintf(format, i.Value)
}

func (p *printer) replayChanges(list []cartrita.ReplayChange) {
	if len(list) == 0 {
		return
	}
	p.printf("\n")
	t := p.table("~call", "~was", "~would", ">saved")
	name := func(id model.EndpointID) string {
		if id == "" {
			return "(nobody)"
		}
		return string(id)
	}
	for _, c := range list {
		saved := "unknown"
		if c.Saved != nil {
			saved = c.Saved.String()
		}
		t.row(c.ID.String(), name(c.Was), name(c.Would), saved)
	}
	t.flush()
}
