package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/schollz/progressbar/v3"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry"
	"github.com/cartrita/cartrita/registry/importer"
)

type modelsAddCmd struct {
	Files  []string `arg:"" name:"file" help:"Files, or - for standard input."`
	DryRun bool     `name:"dry-run" help:"Show what would change, and change nothing."`
}

// Run adds records of our own format.
func (cmd *modelsAddCmd) Run(a *app, g *globals, p *printer) error {
	i := importing{a: a, p: p, dryRun: cmd.DryRun}
	return i.all(g, cmd.Files)
}

type modelsImportCmd struct {
	Sources []string `arg:"" name:"source" help:"Files or http(s) addresses, or - for standard input."`
	Format  string   `enum:"auto,cartrita,litellm,openrouter,huggingface" default:"auto" help:"Format: auto, cartrita, litellm, openrouter or huggingface."`
	DryRun  bool     `name:"dry-run" help:"Show what would change, and change nothing."`
	Strict  bool     `help:"Import nothing if one record is wrong."`
	Full    bool     `help:"List every changed field and every ignored key."`
}

// Run imports catalogues.
func (cmd *modelsImportCmd) Run(a *app, g *globals, p *printer) error {
	i := importing{a: a, p: p, format: cmd.Format, dryRun: cmd.DryRun, strict: cmd.Strict, full: cmd.Full}
	return i.all(g, cmd.Sources)
}

// importing is one run of add or import.
type importing struct {
	a              *app
	p              *printer
	format         string // of a catalogue; empty: complete records, all or none
	dryRun, strict bool
	full           bool
	wrong          int // records left out
}

func (i *importing) all(g *globals, sources []string) error {
	c, err := i.a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	for _, s := range sources {
		if err := i.one(c, s); err != nil {
			return err
		}
	}
	if i.wrong > 0 {
		return &partlyError{plural(i.wrong, "wrong record") + " left out"}
	}
	return nil
}

func (i *importing) one(c *client, source string) error {
	name, data, err := i.read(source)
	if err != nil {
		return err
	}
	path, q := modelsPath, url.Values{}
	if i.format != "" {
		path += "/import"
		q.Set("format", i.format)
		q.Set("name", name)
	}
	if i.dryRun {
		q.Set("dry_run", "true")
	}
	if i.strict {
		q.Set("strict", "true")
	}
	bar := i.bar("importing "+name, int64(len(data)))
	raw, err := c.exchange(i.a.ctx, http.MethodPost, path, q, "application/octet-stream", io.TeeReader(bytes.NewReader(data), bar))
	_ = bar.Finish() // only paints
	if err != nil {
		return err
	}
	if i.p.json {
		return i.p.raw(raw)
	}
	report, err := decode[registry.Report](raw)
	if err != nil {
		return err
	}
	i.wrong += len(report.Errors)
	i.p.report(name, &report, i.full)
	return nil
}

// read brings a file, an address or standard input.
func (i *importing) read(source string) (name string, data []byte, err error) {
	if !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://") {
		data, err = i.a.readInput(source)
		return filepath.Base(source), data, err
	}
	u, err := url.Parse(source)
	if err != nil {
		return "", nil, model.Invalidf("", source, "is not an address")
	}
	name = path.Base(u.Path)
	data, err = i.download(source, name)
	return name, data, err
}

// downloadTime bounds the download of a catalogue.
const downloadTime = 5 * time.Minute

func (i *importing) download(address, name string) ([]byte, error) {
	req, err := http.NewRequestWithContext(i.a.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, model.Invalidf("", address, "is not an address")
	}
	req.Header.Set("User-Agent", "cartrita")
	hc := &http.Client{Timeout: downloadTime}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, model.Errorf("", model.KindUnavailable, "%v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, model.Errorf("", model.KindUnavailable, "%s answered %s", address, resp.Status)
	}
	bar := i.bar("fetching "+name, resp.ContentLength)
	data, err := io.ReadAll(io.TeeReader(io.LimitReader(resp.Body, importer.MaxBytes+1), bar))
	_ = bar.Finish() // only paints
	switch {
	case err != nil:
		return nil, model.Errorf("", model.KindUnavailable, "fetching %s: %v", address, err)
	case len(data) > importer.MaxBytes:
		return nil, model.Errorf("", model.KindTooLarge, "%s is larger than %d MiB", address, importer.MaxBytes>>20)
	}
	return data, nil
}

// bar shows progress on a terminal and nothing elsewhere.
func (i *importing) bar(what string, size int64) *progressbar.ProgressBar {
	if !isTerminal(i.p.err) || i.p.json {
		return progressbar.DefaultBytesSilent(size)
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(i.p.err), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(60*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
}

// shownChanges is how many lines of each part of a report a person is shown.
const shownChanges = 10

// report prints what an import did, by record and by path.
func (p *printer) report(name string, r *registry.Report, full bool) {
	did := "imported"
	if r.DryRun {
		did = "would import"
	}
	p.printf("%s %s (%s): %s added, %s changed, %d unchanged, %d skipped, %d wrong\n", did, p.style(bold, name), r.Format,
		p.style(green, fmt.Sprint(len(r.Added))), p.style(yellow, fmt.Sprint(len(r.Changed))), len(r.Unchanged), len(r.Skipped), len(r.Errors))
	list := &limited{p: p, full: full}
	for _, id := range r.Added {
		list.add("  %s %s\n", p.style(green, "+"), id)
	}
	list.end("added")
	for _, c := range r.Changed {
		list.add("  %s %s\n", p.style(yellow, "~"), c.ID)
		if list.shown() {
			p.changes("      ", c.Fields)
		}
	}
	list.end("changed")
	for _, k := range r.Ignored {
		list.add("  ignored %s in %s, such as %s\n", k.Path, plural(k.Count, "record"), k.Example)
	}
	list.end("ignored keys")
	for _, s := range r.Skipped {
		list.add("  skipped %s: %s\n", s.Entry, s.Reason)
	}
	list.end("skipped")
	list.full = true // what is wrong is never cut
	for _, e := range r.Errors {
		for _, problem := range e.Problems {
			list.add("  %s %s: %s: %s\n", p.style(red, "wrong"), e.Entry, problem.Path, problem.Message)
		}
	}
}

// limited prints the first lines of each part of a list.
type limited struct {
	p    *printer
	full bool
	n    int
}

func (l *limited) shown() bool { return l.full || l.n <= shownChanges }

func (l *limited) add(format string, args ...any) {
	if l.n++; l.shown() {
		l.p.printf(format, args...)
	}
}

func (l *limited) end(what string) {
	if rest := l.n - shownChanges; rest > 0 && !l.full {
		l.p.notef("  and %d more %s; --full lists them", rest, what)
	}
	l.n = 0
}

// yamlOf turns an answer into YAML, which people read more easily.
func yamlOf(raw []byte) ([]byte, error) { return yaml.JSONToYAML(raw) }

// yaml prints YAML with its keys set apart.
func (p *printer) yaml(text []byte) {
	for line := range strings.Lines(string(text)) {
		key, rest, ok := strings.Cut(line, ":")
		if p.color && ok && !strings.ContainsAny(strings.TrimLeft(key, " -"), " \"'") {
			line = p.style(cyan, key) + ":" + rest
		}
		p.printf("%s", line)
	}
}
