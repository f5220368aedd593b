package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
	"github.com/cartrita/cartrita/provider/upstream"
)

func indent(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return string(b)
	}
	return out.String()
}

// result is everything that a caller got.
type result struct {
	log     strings.Builder // readable, for the golden section
	body    []byte
	chunks  [][]byte
	usage   model.Usage
	content bool
	bytes   int
	done    bool
	err     error
}

// ask makes the call and takes the whole answer.
func ask(ctx context.Context, c provider.Client, ep *model.Endpoint, call *model.Call) *result {
	r := &result{}
	resp, err := c.Do(ctx, ep, call)
	if err != nil {
		r.fail(err)
		return r
	}
	for _, name := range []string{"Retry-After", "X-Request-Id", "Request-Id"} {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&r.log, "%s: %s\n", name, v)
		}
	}
	if resp.Stream == nil {
		r.body, r.usage = resp.Body, resp.Usage
		fmt.Fprintf(&r.log, "status %d%s\n%s\n", resp.Status, usageLine(resp.Usage), indent(resp.Body))
		return r
	}
	defer resp.Stream.Close()
	r.drain(resp.Stream)
	return r
}

// drain reads a stream to its end. Chunks are logged event by event, because
// how many arrive together is chance.
func (r *result) drain(s provider.Stream) {
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			r.log.WriteString("end\n")
			return
		}
		if err != nil {
			r.fail(err)
			return
		}
		r.chunks = append(r.chunks, bytes.Clone(c.Data))
		r.content = r.content || c.Content
		r.bytes += c.OutputBytes
		r.done = r.done || c.Done
		r.log.Write(c.Data)
		if c.Usage.Source != "" {
			r.usage = c.Usage
			fmt.Fprintf(&r.log, "^%s usage only: %v\n", usageLine(c.Usage), c.UsageOnly)
		}
	}
}

func (r *result) fail(err error) {
	r.err = err
	e := model.AsError(err)
	fmt.Fprintf(&r.log, "error %s, status %d", e.Kind, e.Status)
	if e.RetryAfter > 0 {
		fmt.Fprintf(&r.log, ", retry after %s", e.RetryAfter)
	}
	fmt.Fprintf(&r.log, "\nop: %s\nparam: %s\nmessage: %s\n", e.Op, e.Param, e.Message)
}

func usageLine(u model.Usage) string {
	if u.Source == "" {
		return ", usage unknown"
	}
	b, _ := json.Marshal(u)
	return ", usage " + string(b)
}

func runScenario(t *testing.T, v Vendor, sc Scenario) {
	leakCheck(t)
	rec := load(t, v.file(sc.Name))
	srv := play(t, rec.parse(t))
	c := v.client(t, upstream.Config{})
	r := ask(t.Context(), c, v.endpoint(srv.URL), sc.Call(t))
	rec.check(t, v.Update, "request", srv.lastRequest())
	rec.check(t, v.Update, "answer", r.log.String())
	if strings.Contains(r.log.String(), Secret) {
		t.Error("the key is in what the caller got")
	}
	if sc.Fails {
		checkFailure(t, sc, r)
		return
	}
	if r.err != nil {
		t.Fatalf("failed: %v", r.err)
	}
	checkAnswer(t, sc, r)
}

func checkFailure(t *testing.T, sc Scenario, r *result) {
	t.Helper()
	if r.err == nil {
		t.Fatalf("no error, want %s", sc.Kind)
	}
	e := model.AsError(r.err)
	if e.Kind != sc.Kind || e.RetryAfter != sc.RetryAfter {
		t.Errorf("got %s, retry after %s; want %s, %s (%v)", e.Kind, e.RetryAfter, sc.Kind, sc.RetryAfter, e)
	}
	if e.Op == "" || e.Message == "" || e.Status == 0 {
		t.Errorf("the error lacks op, message or status: %#v", e)
	}
	if strings.Contains(e.Error(), Secret) {
		t.Error("the key is in the error")
	}
	if r.content != sc.AfterContent || r.done {
		t.Errorf("content %v, want %v; done %v, want false", r.content, sc.AfterContent, r.done)
	}
}

func checkAnswer(t *testing.T, sc Scenario, r *result) {
	t.Helper()
	got, err := r.read(sc)
	if err != nil {
		t.Fatal(err)
	}
	want := answer{Text: sc.Text, Reasoning: sc.Reasoning, Tools: sc.Tools, Finish: sc.Finish, Vectors: sc.Vectors}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if sc.Vectors == 0 {
		checkUsage(t, sc.Usage, r.usage)
	}
	if !sc.Stream {
		return
	}
	if !r.done {
		t.Error("no chunk was marked as the last")
	}
	if hasAnswer := sc.Text+sc.Reasoning != "" || sc.Tools != nil; r.content != hasAnswer {
		t.Errorf("content marked %v, want %v", r.content, hasAnswer)
	}
	size := len(sc.Text) + len(sc.Reasoning)
	for _, tool := range sc.Tools {
		size += len(tool.Arguments)
	}
	if r.bytes != size {
		t.Errorf("%d output bytes, want %d", r.bytes, size)
	}
}

// checkUsage compares the counts that the scenario knows of. Others (a zero
// for cached tokens) vary with vendors.
func checkUsage(t *testing.T, want, got model.Usage) {
	t.Helper()
	if got.Input != want.Input || got.Output != want.Output || got.Source != want.Source ||
		got.CachedRead.Or(0) != want.CachedRead.Or(0) || got.Reasoning.Or(0) != want.Reasoning.Or(0) {
		t.Errorf("usage %+v, want %+v", got, want)
	}
}
