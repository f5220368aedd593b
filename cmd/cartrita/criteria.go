package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// criteriaFlags are the wishes and limits of a decision, as flags.
type criteriaFlags struct {
	Prompt []string `arg:"" optional:"" help:"Text of the request."`

	Model    string `short:"m" help:"A model, by id, canonical id or alias. Default: any." placeholder:"NAME"`
	Task     string `short:"t" help:"Task type, such as chat-completions or embeddings." placeholder:"TYPE"`
	Strategy string `short:"s" help:"Routing strategy. Default: the configured one." placeholder:"NAME"`

	Quality      *float64 `group:"Weights" help:"Weight of quality; weights are normalised." placeholder:"W"`
	Cost         *float64 `group:"Weights" help:"Weight of cost." placeholder:"W"`
	Latency      *float64 `group:"Weights" help:"Weight of latency." placeholder:"W"`
	Safety       *float64 `group:"Weights" help:"Weight of safety." placeholder:"W"`
	Availability *float64 `group:"Weights" help:"Weight of availability." placeholder:"W"`

	MaxCost      string   `name:"max-cost" group:"Limits" help:"Most that the request may cost, in US dollars." placeholder:"USD"`
	MaxCostPer1K string   `name:"max-cost-per-1k" group:"Limits" help:"Most per 1,000 tokens, in US dollars." placeholder:"USD"`
	MaxLatencyMS *float64 `name:"max-latency-ms" group:"Limits" help:"Longest wait for the first token." placeholder:"MS"`
	MinQuality   *float64 `name:"min-quality" group:"Limits" help:"Lowest composite quality, 0 to 1." placeholder:"Q"`
	MaxRisk      string   `name:"max-risk" group:"Limits" help:"Highest risk level: low, medium, high or critical." placeholder:"LEVEL"`
	Tag          []string `group:"Limits" help:"Tag that an endpoint must have; may be repeated." placeholder:"TAG"`
	NotTag       []string `name:"not-tag" group:"Limits" help:"Tag that an endpoint must not have; may be repeated." placeholder:"TAG"`
	Feature      []string `group:"Limits" help:"Feature that the model must have, such as tools or vision; may be repeated." placeholder:"NAME"`
	Safe         bool     `group:"Limits" help:"Exclude models whose risk is high, critical or unknown."`
	Commercial   bool     `group:"Limits" help:"Exclude models not known to allow commercial use."`

	InputTokens  *int64 `name:"input-tokens" group:"Size" help:"Size of the prompt, instead of a text." placeholder:"N"`
	OutputTokens *int64 `name:"output-tokens" group:"Size" help:"Expected size of the answer." placeholder:"N"`

	Request string `short:"f" help:"Read the request as JSON from this file, or from standard input with -. Flags add to it." placeholder:"FILE"`
}

// criteria puts the flags together. Names are checked by the gateway, but for
// those that have to be read here.
func (f *criteriaFlags) criteria(a *app) (model.Criteria, error) {
	var c model.Criteria
	if f.Request != "" {
		if err := readJSON(a, f.Request, &c); err != nil {
			return c, err
		}
	}
	for _, err := range []error{
		readName(&c.Task, "--task", f.Task),
		readInto(&c.MaxRisk, "--max-risk", f.MaxRisk),
		readMoney(&c.MaxCost, "--max-cost", f.MaxCost),
		readMoney(&c.MaxCostPer1KTokens, "--max-cost-per-1k", f.MaxCostPer1K),
	} {
		if err != nil {
			return c, err
		}
	}
	for _, name := range f.Feature {
		feature, err := model.ParseFeature(name)
		if err != nil {
			return c, model.Invalidf("", "--feature", "%v", err)
		}
		c.Features = append(c.Features, feature)
	}
	override(&c.Model, f.Model)
	override(&c.Strategy, f.Strategy)
	for _, w := range []struct{ to, from **float64 }{
		{&c.QualityWeight, &f.Quality},
		{&c.CostWeight, &f.Cost},
		{&c.LatencyWeight, &f.Latency},
		{&c.SafetyWeight, &f.Safety},
		{&c.AvailabilityWeight, &f.Availability},
		{&c.MaxLatencyMS, &f.MaxLatencyMS},
		{&c.MinQuality, &f.MinQuality},
	} {
		override(w.to, *w.from)
	}
	override(&c.InputTokens, f.InputTokens)
	override(&c.OutputTokens, f.OutputTokens)
	c.RequiredTags = append(c.RequiredTags, f.Tag...)
	c.ExcludedTags = append(c.ExcludedTags, f.NotTag...)
	c.SafetyRequired = c.SafetyRequired || f.Safe
	c.CommercialUse = c.CommercialUse || f.Commercial
	if len(f.Prompt) > 0 {
		c.Messages = userMessage(strings.Join(f.Prompt, " "))
	}
	return c, nil
}

func userMessage(text string) json.RawMessage {
	raw, err := json.Marshal([]message{{Role: "user", Content: text}})
	if err != nil {
		panic(err) // strings can always be written
	}
	return raw
}

// override sets *to unless from is the zero value.
func override[T comparable](to *T, from T) {
	var zero T
	if from != zero {
		*to = from
	}
}

type textValue[T any] interface {
	*T
	UnmarshalText([]byte) error
}

func readInto[T any, P textValue[T]](to *T, flag, s string) error {
	if s == "" {
		return nil
	}
	if err := P(to).UnmarshalText([]byte(s)); err != nil {
		return model.Invalidf("", flag, "%v", err)
	}
	return nil
}

func readName[T any, P textValue[T]](to **T, flag, s string) error {
	if s == "" {
		return nil
	}
	v := new(T)
	*to = v
	return readInto[T, P](v, flag, s)
}

func readMoney(to **model.Money, flag, s string) error {
	if s == "" {
		return nil
	}
	m, err := model.ParseMoney(strings.TrimPrefix(s, "$"))
	if err != nil {
		return model.Invalidf("", flag, "%v", err)
	}
	*to = &m
	return nil
}

// readJSON reads a file, or standard input for "-", strictly.
func readJSON(a *app, path string, v any) error {
	raw, err := a.readInput(path)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return model.Invalidf("", path, "is not a request: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// readInput reads a file, or standard input for "-".
func (a *app) readInput(path string) ([]byte, error) {
	read := func() ([]byte, error) { return os.ReadFile(path) }
	if path == "-" {
		path, read = "standard input", func() ([]byte, error) { return io.ReadAll(a.in) }
	}
	raw, err := read()
	switch {
	case os.IsNotExist(err):
		return nil, model.Errorf("", model.KindNotFound, "there is no file %s", path)
	case err != nil:
		return nil, model.Invalidf("", path, "cannot be read: %v", err)
	}
	return raw, nil
}
