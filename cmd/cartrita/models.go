package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
)

type modelsCmd struct {
	List    modelsListCmd    `cmd:"" help:"List models."`
	Show    modelsShowCmd    `cmd:"" help:"Show one model with everything known of it."`
	Search  modelsSearchCmd  `cmd:"" help:"Find models by text or by similarity."`
	Add     modelsAddCmd     `cmd:"" help:"Add or replace records from a YAML, JSON or JSONL file of our own format; all or none."`
	Import  modelsImportCmd  `cmd:"" help:"Import a catalogue: LiteLLM, OpenRouter, Hugging Face Hub or our own format."`
	Similar modelsSimilarCmd `cmd:"" help:"Find models that are like one."`
	History modelsHistoryCmd `cmd:"" help:"Show who changed a record, when and how."`
	Retire  modelsRetireCmd  `cmd:"" help:"Retire a model: it is never routed to again."`
}

// modelFilter restricts a list of models, as flags.
type modelFilter struct {
	Filter   []string `short:"w" sep:"none" help:"Condition on a field, such as context_length>=128000 or license=apache-2.0; may be repeated." placeholder:"COND"`
	Provider string   `help:"Only this provider." placeholder:"NAME"`
	Task     string   `short:"t" help:"Only models for this task type." placeholder:"TYPE"`
	Status   string   `help:"Only this status: active, testing, deprecated or retired." placeholder:"STATUS"`
	Served   bool     `help:"Only models that an endpoint serves."`
}

func (f *modelFilter) query() url.Values {
	q := url.Values{}
	for _, c := range f.Filter {
		q.Add("filter", c)
	}
	for _, c := range [][2]string{{"provider", f.Provider}, {"task_types", f.Task}, {"status", f.Status}} {
		if c[1] != "" {
			q.Add("filter", c[0]+"="+c[1])
		}
	}
	if f.Served {
		q.Add("filter", "served=true")
	}
	return q
}

// foundModels is the gateway's answer to a search.
type foundModels struct {
	Hits []struct {
		Model  json.RawMessage `json:"model"`
		Score  float64         `json:"score"`
		Served bool            `json:"served"`
	} `json:"hits"`
	Total  int             `json:"total"`
	Method registry.Method `json:"method"`
	Note   string          `json:"note"`
}

type modelsListCmd struct {
	modelFilter
	Limit int `short:"n" default:"100000" help:"Most models to list." placeholder:"N"`
}

// Run lists models. As JSON they are a plain list of records.
func (cmd *modelsListCmd) Run(a *app, g *globals, p *printer) error {
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	raw, err := findModels(a, c, cmd.query(), cmd.Limit)
	if err != nil {
		return err
	}
	found, err := decode[foundModels](raw)
	if err != nil {
		return err
	}
	if p.json {
		records := make([]json.RawMessage, len(found.Hits))
		for i := range found.Hits {
			records[i] = found.Hits[i].Model
		}
		return p.value(records)
	}
	return p.models(&found)
}

type modelsSearchCmd struct {
	modelFilter
	Text    []string `arg:"" help:"Words of names, families, tags and tasks, or a description such as \"a small cheap model for French summaries\"."`
	Similar bool     `help:"Rank by likeness to the description, even if its words match."`
	Limit   int      `short:"n" default:"20" help:"Most models to show." placeholder:"N"`
}

// Run searches models.
func (cmd *modelsSearchCmd) Run(a *app, g *globals, p *printer) error {
	return tell(a, g, p, func(c *client) ([]byte, error) {
		if !cmd.Similar {
			raw, err := cmd.search(a, c, "q")
			if err != nil {
				return nil, err
			}
			if found, err := decode[foundModels](raw); err != nil || found.Total > 0 {
				return raw, err
			}
			p.notef("no model matches these words; ranking by likeness")
		}
		return cmd.search(a, c, "similar")
	}, p.found)
}

func (cmd *modelsSearchCmd) search(a *app, c *client, by string) ([]byte, error) {
	q := cmd.query()
	q.Set(by, strings.Join(cmd.Text, " "))
	return findModels(a, c, q, cmd.Limit)
}

// found shows the answer to a search.
func (p *printer) found(found foundModels) error {
	if err := p.models(&found); err != nil {
		return err
	}
	if found.Note != "" {
		p.notef("%s", found.Note)
	}
	return nil
}

type modelsSimilarCmd struct {
	modelFilter
	ID    string `arg:"" help:"Model id."`
	Limit int    `short:"n" default:"10" help:"Most models to show." placeholder:"N"`
}

// Run shows the models that are most like one.
func (cmd *modelsSimilarCmd) Run(a *app, g *globals, p *printer) error {
	q := cmd.query()
	q.Set("similar_to", cmd.ID)
	return tell(a, g, p, func(c *client) ([]byte, error) { return findModels(a, c, q, cmd.Limit) }, p.found)
}

func findModels(a *app, c *client, q url.Values, limit int) ([]byte, error) {
	q.Set("limit", strconv.Itoa(limit))
	return c.get(a.ctx, modelsPath, q)
}

func (p *printer) models(found *foundModels) error {
	names := []string{"~model", ">params", ">context", ">in $/M", ">out $/M", ">quality", "risk", "~license", "status", "endpoint"}
	scored := found.Method != registry.MethodFilter
	if scored {
		names = append(names, ">score")
	}
	t := p.table(names...)
	for _, hit := range found.Hits {
		m, err := decode[model.Model](hit.Model)
		if err != nil {
			return err
		}
		status, served := cell{text: m.Status.String()}, cell{}
		if m.Status != model.StatusActive {
			status.style = yellow
		}
		if hit.Served {
			served = cell{"yes", green}
		}
		in, out := prices(m.Pricing)
		cells := []cell{
			{text: string(m.ID)}, {text: parameters(m.ParametersBillion)}, {text: tokens(m.ContextLength)}, {text: in}, {text: out},
			{text: qualityOf(&m)}, {text: m.Risk.String()}, {text: m.License}, status, served,
		}
		if scored {
			cells = append(cells, cell{text: score(hit.Score)})
		}
		t.styled(cells...)
	}
	t.flush()
	switch n := len(found.Hits); {
	case n == 0:
		p.notef("no model matches")
	case n < found.Total:
		p.notef("%d of %d; -n shows more", n, found.Total)
	}
	return nil
}

func prices(pr *model.Pricing) (in, out string) {
	if pr == nil {
		return "", ""
	}
	show := func(m *model.Money) string {
		if m == nil {
			return ""
		}
		return strings.TrimPrefix(m.String(), "$")
	}
	if pr.Hourly != nil && pr.Input == nil {
		return pr.Hourly.String() + "/h", ""
	}
	return show(pr.Input), show(pr.Output)
}

// qualityOf shows the composite of a record's own, else one known metric.
func qualityOf(m *model.Model) string {
	for _, name := range []string{model.MetricComposite, model.MetricMMLU, model.MetricArenaElo, model.MetricMTBench} {
		if f, ok := m.Quality[name]; ok {
			s := strconv.FormatFloat(f.Value, 'f', -1, 64)
			if name != model.MetricComposite {
				s = name + " " + s
			}
			return s
		}
	}
	return ""
}

func parameters(b *float64) string {
	if b == nil {
		return ""
	}
	return strconv.FormatFloat(*b, 'f', -1, 64) + "B"
}

// tokens shows a number of tokens as people say it: 128k, 1M.
func tokens(n *int64) string {
	switch {
	case n == nil:
		return ""
	case *n >= 1_000_000 && *n%100_000 == 0:
		return strconv.FormatFloat(float64(*n)/1e6, 'f', -1, 64) + "M"
	case *n >= 1000:
		return strconv.FormatInt(*n/1000, 10) + "k"
	}
	return strconv.FormatInt(*n, 10)
}

type modelsShowCmd struct {
	ID string `arg:"" help:"Model id, canonical id, alias or endpoint."`
}

// Run shows one record.
func (cmd *modelsShowCmd) Run(a *app, g *globals, p *printer) error {
	return tell(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, modelPath(cmd.ID, ""), nil) }, func(record json.RawMessage) error {
		text, err := yamlOf(record)
		if err == nil {
			p.yaml(text)
		}
		return err
	})
}

// modelPath is the path of a record: ids hold slashes, which are encoded so
// that an id cannot be taken for a verb.
func modelPath(id, verb string) string {
	path := modelsPath + "/" + url.PathEscape(id)
	if verb != "" {
		path += "/" + verb
	}
	return path
}

type modelsHistoryCmd struct {
	ID string `arg:"" help:"Model id."`
}

// Run shows the versions of a record.
func (cmd *modelsHistoryCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct {
		Versions []registry.Version `json:"versions"`
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, modelPath(cmd.ID, "history"), nil) }, func(answer answer) {
		for _, v := range answer.Versions {
			at := v.At.Local().Format(time.DateTime)
			if v.At.IsZero() {
				at = "built in"
			}
			p.printf("%s  %s  %s  %s\n", p.style(bold, fmt.Sprintf("version %d", v.Number)), string(v.Action), p.style(dim, at), v.Actor)
			p.changes("  ", v.Diff)
		}
	})
}

// changes prints changed fields with their old and new values.
func (p *printer) changes(indent string, list []registry.FieldChange) {
	for _, f := range list {
		switch {
		case f.Old == nil:
			p.printf("%s%s %s: %s\n", indent, p.style(green, "+"), f.Path, f.New)
		case f.New == nil:
			p.printf("%s%s %s: %s\n", indent, p.style(red, "-"), f.Path, f.Old)
		default:
			p.printf("%s%s %s: %s → %s\n", indent, p.style(yellow, "~"), f.Path, f.Old, f.New)
		}
	}
}

type modelsRetireCmd struct {
	IDs []string `arg:"" name:"id" help:"Model ids."`
}

// Run retires models.
func (cmd *modelsRetireCmd) Run(a *app, g *globals, p *printer) error {
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	for _, id := range cmd.IDs {
		raw, err := c.exchange(a.ctx, http.MethodPost, modelPath(id, "retire"), nil, "", nil)
		if err != nil {
			return err
		}
		if p.json {
			if err := p.raw(raw); err != nil {
				return err
			}
			continue
		}
		diff, err := decode[registry.Diff](raw)
		if err != nil {
			return err
		}
		if slices.Contains(diff.Unchanged, model.ModelID(id)) {
			p.printf("%s was retired already\n", id)
		} else {
			p.printf("%s is retired\n", id)
		}
	}
	return nil
}
