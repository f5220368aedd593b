package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// maxAnswer is the largest answer that is read whole.
const maxAnswer = 256 << 20

// modelsPath is where the registry is read and changed.
const modelsPath = "/api/v1/models"

// client speaks the gateway's HTTP API.
type client struct {
	base  string // without trailing slash
	key   string
	user  string // who changes are recorded for; empty: who the key belongs to
	http  *http.Client
	where string // how the gateway is called in errors
	stop  func() // ends a gateway in this process
}

// close releases what the client holds. A gateway in this process finishes
// writing what it was told.
func (c *client) close() {
	c.http.CloseIdleConnections()
	if c.stop != nil {
		c.stop()
	}
}

// do sends a request and returns the answer if its status is a success; the
// caller closes the body.
func (c *client) do(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, model.Invalidf("cartrita", "--server", "%q: want an address such as http://127.0.0.1:8080", c.base)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.user != "" && signed(path) {
		req.Header.Set("X-Cartrita-User", c.user)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// signed reports whether what is changed at a path is recorded with its author.
func signed(path string) bool {
	return slices.ContainsFunc([]string{modelsPath, keysPath, budgetsPath}, func(p string) bool { return strings.HasPrefix(path, p) })
}

func (c *client) unreachable(err error) error {
	kind, what := model.KindUnavailable, "does not answer"
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return model.Errorf("", model.KindCanceled, "interrupted")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind, what = model.KindTimeout, "did not answer in time"
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return model.Errorf("", kind, "%s %s: %v", c.where, what, err)
}

// refusal reads an error in OpenAI's shape.
func (c *client) refusal(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return c.unreachable(err)
	}
	e := c.refused(raw, resp.StatusCode)
	if e == nil {
		e = &model.Error{Kind: kindOfStatus(resp.StatusCode), Status: resp.StatusCode}
		e.Message = fmt.Sprintf("%s answered %s; is it a Cartrita gateway?", c.where, resp.Status)
	}
	return e
}

// refused words the error that an answer holds, nil when it holds none.
func (c *client) refused(raw []byte, status int) *model.Error {
	e := &model.Error{Kind: kindOfStatus(status), Status: status}
	var wire struct {
		Error struct {
			Message string          `json:"message"`
			Param   *string         `json:"param"`
			Code    string          `json:"code"`
			Details json.RawMessage `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(raw, &wire) != nil || wire.Error.Message == "" {
		return nil //nolint:nilerr // it is not our gateway's error
	}
	e.Message = forTerminal(wire.Error.Message)
	var kind model.Kind
	if kind.UnmarshalText([]byte(wire.Error.Code)) == nil {
		e.Kind = kind
	}
	if p := wire.Error.Param; p != nil && !strings.Contains(e.Message, *p) {
		e.Param = *p
	}
	if len(wire.Error.Details) > 0 {
		e.Details = wire.Error.Details
	}
	if e.Kind == model.KindUnauthenticated {
		e.Message += "; set CARTRITA_API_KEY or give --api-key env:NAME"
	}
	return e
}

// routesInWords are the routes that messages point at, with the commands that
// ask the same. More exact ones come first.
var routesInWords = []struct {
	route   *regexp.Regexp
	command string
}{
	{regexp.MustCompile(`GET /api/v1/models\?(?:q|similar)=([^\s&;,]+)`), "models search $1"},
	{regexp.MustCompile(`GET /api/v1/models/([^\s;,]+)/history`), "models history $1"},
	{regexp.MustCompile(`GET /api/v1/models/([^\s;,]+)`), "models show $1"},
	{regexp.MustCompile(`GET /api/v1/decisions/([^\s;,]+)`), "explain $1"},
	{regexp.MustCompile(`GET /api/v1/models\b`), "models list"},
	{regexp.MustCompile(`GET /api/v1/keys\b`), "keys list"},
	{regexp.MustCompile(`GET /api/v1/budgets\b`), "budget list"},
	{regexp.MustCompile(`GET /api/v1/schema/([^\s;,]+)`), "schema $1"},
}

// forTerminal rewords a message of the API for who typed a command: "see GET
// /api/v1/models?q=x" becomes "run `cartrita models search x`".
func forTerminal(message string) string {
	for _, r := range routesInWords {
		message = r.route.ReplaceAllStringFunc(message, func(found string) string {
			command := r.route.ReplaceAllString(found, r.command)
			if plain, err := url.QueryUnescape(command); err == nil {
				command = plain
			}
			return "`cartrita " + command + "`"
		})
	}
	return strings.ReplaceAll(message, "see `cartrita ", "run `cartrita ")
}

// kindOfStatus is for answers without a code that we know.
func kindOfStatus(status int) model.Kind {
	for k := model.KindInvalid; k <= model.KindTimeout; k++ {
		if k.Status() == status {
			return k
		}
	}
	if status >= http.StatusInternalServerError {
		return model.KindUpstream
	}
	return model.KindInvalid
}

// get reads a JSON answer.
func (c *client) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	return c.exchange(ctx, http.MethodGet, path, query, "", nil)
}

// post sends v as JSON and reads a JSON answer.
func (c *client) post(ctx context.Context, path string, query url.Values, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return c.exchange(ctx, http.MethodPost, path, query, "application/json", bytes.NewReader(body))
}

func (c *client) exchange(ctx context.Context, method, path string, query url.Values, contentType string, body io.Reader) ([]byte, error) {
	resp, err := c.do(ctx, method, path, query, contentType, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !strings.HasSuffix(t, "json") {
		return nil, model.Errorf("", model.KindUpstream, "%s answered with %q and not with JSON; is it a Cartrita gateway?", c.where, t)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	return raw, nil
}

// decode reads an answer of the gateway's. Members that are new to this
// version of the command are left alone.
func decode[T any](raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, model.Errorf("", model.KindUpstream, "the gateway's answer is not understood: %v", err)
	}
	return v, nil
}

// ask sends a request to the gateway and shows what it answers: as JSON, or by show.
func ask[T any](a *app, g *globals, p *printer, send func(*client) ([]byte, error), show func(T)) error {
	return tell(a, g, p, send, func(v T) error {
		show(v)
		return nil
	})
}

// tell is ask for what may turn out not to be shown.
func tell[T any](a *app, g *globals, p *printer, send func(*client) ([]byte, error), show func(T) error) error {
	raw, err := a.answer(g, send)
	if err != nil {
		return err
	}
	if p.json {
		return p.raw(raw)
	}
	v, err := decode[T](raw)
	if err != nil {
		return err
	}
	return show(v)
}

// judge is ask for an answer about which the command fails: by verdict, behind
// what is shown.
func judge[T any](a *app, g *globals, p *printer, send func(*client) ([]byte, error), show func(T), verdict func(T) error) error {
	raw, err := a.answer(g, send)
	if err != nil {
		return err
	}
	v, err := decode[T](raw)
	if err != nil {
		return err
	}
	if !p.json {
		show(v)
	} else if err := p.raw(raw); err != nil {
		return err
	}
	return verdict(v)
}

// answer returns what the gateway answers to a request.
func (a *app) answer(g *globals, send func(*client) ([]byte, error)) ([]byte, error) {
	c, err := a.connect(g)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return send(c)
}
