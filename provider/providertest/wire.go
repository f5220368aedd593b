package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider/upstream"
)

// testCredential: without a readable key nothing is sent; without need of a
// key none is.
func testCredential(t *testing.T, v Vendor) {
	leakCheck(t)
	srv := play(t, load(t, v.file(v.unary())).parse(t))
	sc := scenario(v.unary())
	broken := map[string]func(string) (string, error){
		"error":   func(string) (string, error) { return "", errors.New("no such variable") },
		"empty":   func(string) (string, error) { return "", nil },
		"newline": func(string) (string, error) { return "sk-1\nX-Evil: 1", nil },
	}
	for name, resolve := range broken {
		r := ask(t.Context(), v.client(t, upstream.Config{Credentials: resolve}), v.endpoint(srv.URL), sc.Call(t))
		if model.KindOf(r.err) != model.KindUpstreamAuth || srv.lastRequest() != "" {
			t.Errorf("%s: got %v, sent %q; want %s and nothing sent", name, r.err, srv.lastRequest(), model.KindUpstreamAuth)
		}
	}
	ep := v.endpoint(srv.URL)
	ep.Credential = ""
	r := ask(t.Context(), v.client(t, upstream.Config{}), ep, sc.Call(t))
	if r.err != nil || strings.Contains(srv.lastRequest(), Secret) {
		t.Errorf("an endpoint without credential: %v, sent %s", r.err, srv.lastRequest())
	}
}

// unary is a scenario that every vendor has.
func (v Vendor) unary() string {
	if _, lacks := v.Lacks["plain"]; lacks {
		return "embeddings"
	}
	return "plain"
}

// testRedirect: an upstream cannot send us elsewhere.
func testRedirect(t *testing.T, v Vendor) {
	leakCheck(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		srv := play(t, parsed{status: status, header: http.Header{"Location": {elsewhere.URL}}})
		r := ask(t.Context(), v.client(t, upstream.Config{}), v.endpoint(srv.URL), scenario(v.unary()).Call(t))
		if e := model.AsError(r.err); e == nil || e.Kind != model.KindUpstream || e.Status != status {
			t.Errorf("%d: got %v, want %s", status, r.err, model.KindUpstream)
		}
	}
}

// testUnreachable: nobody listens, or the connection closes without an answer.
func testUnreachable(t *testing.T, v Vendor) {
	leakCheck(t)
	sc := scenario(v.unary())
	closed := httptest.NewServer(nil)
	closed.Close()
	r := ask(t.Context(), v.client(t, upstream.Config{}), v.endpoint(closed.URL), sc.Call(t))
	if e := model.AsError(r.err); e == nil || e.Kind != model.KindUnavailable || e.Status != 0 {
		t.Errorf("nobody listens: got %v, want %s", r.err, model.KindUnavailable)
	}
	rude := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(rude.Close)
	r = ask(t.Context(), v.client(t, upstream.Config{}), v.endpoint(rude.URL), sc.Call(t))
	if e := model.AsError(r.err); e == nil || e.Kind != model.KindUpstream || e.Status != 0 {
		t.Errorf("closed without answer: got %v, want %s", r.err, model.KindUpstream)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r = ask(ctx, v.client(t, upstream.Config{}), v.endpoint(rude.URL), sc.Call(t))
	if model.KindOf(r.err) != model.KindCanceled {
		t.Errorf("canceled before: got %v, want %s", r.err, model.KindCanceled)
	}
}

// testParallel: calls that run at once get their own answers.
func testParallel(t *testing.T, v Vendor) {
	leakCheck(t)
	names := []string{v.unary()}
	for _, name := range []string{"stream", "stream_tools", "tools"} {
		if _, lacks := v.Lacks[name]; !lacks {
			names = append(names, name)
		}
	}
	servers := map[string]*server{}
	for _, name := range names {
		servers[name] = play(t, load(t, v.file(name)).parse(t))
	}
	c := v.client(t, upstream.Config{})
	var wg sync.WaitGroup
	errs := make(chan error, 8*len(names))
	for i := range 8 * len(names) {
		wg.Go(func() {
			sc := scenario(names[i%len(names)])
			r := ask(t.Context(), c, v.endpoint(servers[sc.Name].URL), sc.Call(t))
			got, err := r.read(sc)
			if err = errors.Join(r.err, err); err != nil {
				errs <- fmt.Errorf("%s: %w", sc.Name, err)
			} else if got.Text != sc.Text || len(got.Tools) != len(sc.Tools) {
				errs <- fmt.Errorf("%s got another's answer: %+v", sc.Name, got)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}
