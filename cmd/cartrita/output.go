package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

// printer writes answers: JSON if asked for, tables and colour on a terminal,
// plain tab-separated lines elsewhere.
type printer struct {
	out, err io.Writer
	json     bool
	tty      bool // out is a terminal
	color    bool // of out
	errColor bool // of err
	width    int  // of the terminal; 0 unlimited
}

func (a *app) printer(g *globals) *printer {
	p := &printer{out: a.out, err: a.err, json: g.JSON, tty: isTerminal(a.out)}
	p.color, p.errColor = a.useColor(g.Color, p.tty), a.useColor(g.Color, isTerminal(a.err))
	if f, ok := a.out.(*os.File); ok && p.tty {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			p.width = w
		}
	}
	return p
}

// useColor follows the flag, then CARTRITA_COLOR, then the customs of terminals.
func (a *app) useColor(flag string, tty bool) bool {
	if flag == "auto" {
		flag = a.getenv("CARTRITA_COLOR")
	}
	switch flag {
	case "always":
		return true
	case "never":
		return false
	}
	return tty && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// The styles.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func paint(on bool, style, s string) string {
	if !on || style == "" || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (p *printer) style(style, s string) string { return paint(p.color, style, s) }

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// notef writes a remark that is not part of the answer.
func (p *printer) notef(format string, args ...any) {
	fmt.Fprintln(p.err, paint(p.errColor, dim, fmt.Sprintf(format, args...)))
}

// raw prints JSON indented.
func (p *printer) raw(data []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(data), "", "  "); err != nil {
		return model.Errorf("cartrita", model.KindUpstream, "the gateway answered with something that is not JSON")
	}
	b.WriteByte('\n')
	_, err := p.out.Write(b.Bytes())
	return err
}

// value prints v as indented JSON.
func (p *printer) value(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// line prints v as JSON on one line.
func (p *printer) line(v any) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// fail prints an error: as OpenAI's error object with --json, else in words,
// with what its details add.
func (p *printer) fail(err error) {
	var partly *partlyError
	if errors.As(err, &partly) {
		p.notef("%s", partly)
		return
	}
	e := model.AsError(err)
	if p.json {
		_ = json.NewEncoder(p.err).Encode(map[string]any{"error": map[string]any{ // to a terminal or pipe of the user's
			"message": failureText(e), "code": e.Kind.String(), "param": e.Param, "details": e.Details,
		}})
		return
	}
	fmt.Fprintf(p.err, "%s %s\n", paint(p.errColor, red, "cartrita:"), failureText(e))
	if len(config.Problems(e)) > 0 {
		return // the message holds them
	}
	for _, line := range detailLines(e.Details) {
		fmt.Fprintf(p.err, "  %s\n", line)
	}
}

// failureText is what a person needs of an error: without the name of our
// function, with the cause of what nobody classified.
func failureText(e *model.Error) string {
	shown := *e
	shown.Op = ""
	if e.Kind != model.KindInternal && e.Message != "" {
		shown.Err = nil
	}
	return strings.TrimPrefix(shown.Error(), "internal_error: ")
}

// detailLines words the machine-readable part of an error: one line for each
// object in its lists that holds no list itself. Other lists, and counts, are
// left out: the message has them in words.
func detailLines(details any) []string {
	raw, err := json.Marshal(details)
	if err != nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // a float would lose digits
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	if o, ok := v.(map[string]any); ok {
		return listedDetails(nil, "", o)
	}
	return appendDetails(nil, "", v)
}

// appendDetails words the objects in v if it is a list; at is what they belong to.
func appendDetails(lines []string, at string, v any) []string {
	list, _ := v.([]any)
	for _, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			continue
		}
		before, said := len(lines), joined(at, detailText(o))
		if lines = listedDetails(lines, said, o); len(lines) == before {
			lines = append(lines, said)
		}
	}
	return lines
}

// listedDetails words what the lists in o hold.
func listedDetails(lines []string, at string, o map[string]any) []string {
	for _, key := range slices.Sorted(maps.Keys(o)) {
		lines = appendDetails(lines, at, o[key])
	}
	return lines
}

// detailText joins the members that people read, in the order of reading; of
// an object without these, every plain member with its name.
func detailText(o map[string]any) string {
	var parts []string
	for _, key := range []string{"entry", "path", "endpoint", "filter", "count", "reason", "message"} {
		if v, ok := o[key]; ok && v != "" {
			parts = append(parts, fmt.Sprint(v))
		}
	}
	if len(parts) > 0 {
		return strings.Join(parts, ": ")
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		switch v := o[key].(type) {
		case nil, []any, map[string]any:
		default:
			parts = append(parts, fmt.Sprintf("%s %v", key, v))
		}
	}
	return strings.Join(parts, ", ")
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + ": " + b
}

// partlyError says that a command did its work except for some records.
type partlyError struct{ message string }

func (e *partlyError) Error() string { return e.message }

// plural counts things: "1 call", "2 calls".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// agree chooses the form of a verb that goes with n things.
func agree(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
