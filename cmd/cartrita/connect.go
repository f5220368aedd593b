package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
)

// serverFile tells commands where the gateway of a data directory listens.
const serverFile = "server.json"

type serverInfo struct {
	URL      string    `json:"url"`
	PID      int       `json:"pid"`
	Instance string    `json:"instance"`        // what the gateway answers in headerInstance
	Token    string    `json:"token,omitempty"` // lets in, as an administrator, who can read this file
	Version  string    `json:"version"`
	Started  time.Time `json:"started_at"`
}

// headerInstance tells one run of a gateway from every other: a file that was
// left behind is not believed when its address answers with something else.
const headerInstance = "X-Cartrita-Instance"

// versionPath is what commands ask a gateway first.
const versionPath = "/api/v1/version"

// namedInstance lets a gateway say which run it is, to callers without a key too.
func namedInstance(instance string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == versionPath {
			w.Header().Set(headerInstance, instance)
		}
		h.ServeHTTP(w, r)
	})
}

// connect finds the gateway that a command speaks to:
//
//  1. the one of --server or CARTRITA_SERVER, and no other;
//  2. the one that runs on the data directory, by its server.json;
//  3. the one that answers at the configured address, unless the directory was
//     named on the command line or in a variable: it may serve another one;
//  4. one in this process, put together on the data directory.
func (a *app) connect(g *globals) (*client, error) {
	if a.serverFlag(g) != "" {
		key, err := a.apiKey(g)
		if err != nil {
			return nil, err
		}
		return a.remote(g, a.serverFlag(g), key), nil
	}
	l, err := config.Load(a.loadOptions(g))
	if err != nil {
		return nil, err
	}
	c, err := a.find(g, l)
	if c != nil || err != nil {
		return c, err
	}
	return a.local(g, l)
}

func (a *app) serverFlag(g *globals) string {
	if g.Server != "" {
		return g.Server
	}
	return a.getenv("CARTRITA_SERVER")
}

// find returns the gateway that runs with this configuration; nil for none.
func (a *app) find(g *globals, l *config.Loaded) (*client, error) {
	key, err := a.apiKey(g)
	if err != nil {
		return nil, err
	}
	if info := readServerFile(l.Data); info.URL != "" {
		if c := a.remote(g, info.URL, key); c.isInstance(a.ctx, info.Instance) {
			c.key = orDefault(key, info.Token)
			return c, nil
		}
	}
	if l.Overrides["data"] != "" {
		return nil, nil
	}
	if address := configuredServer(&l.Config); address != "" {
		if c := a.remote(g, address, key); c.isGateway(a.ctx) {
			return c, nil
		}
	}
	return nil, nil
}

// running returns the gateway that already runs, nil for none.
func (a *app) running(g *globals) *client {
	if s := a.serverFlag(g); s != "" {
		key, _ := a.apiKey(g) // without it the gateway says what is missing
		return a.remote(g, s, key)
	}
	l, err := config.Load(a.loadOptions(g))
	if err != nil {
		return nil
	}
	c, _ := a.find(g, l) // no gateway: nothing to complete
	return c
}

// apiKey resolves the key for the gateway.
func (a *app) apiKey(g *globals) (string, error) {
	if g.APIKey == "" {
		return a.getenv("CARTRITA_API_KEY"), nil
	}
	var ref config.Ref
	if err := ref.UnmarshalText([]byte(g.APIKey)); err != nil {
		return "", model.Invalidf("", "--api-key", "%v", err)
	}
	return a.secrets().Resolve(string(ref))
}

// user is the name of who runs the command.
func (a *app) user() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	for _, v := range []string{"USER", "USERNAME"} { // where there is no list of users
		name = orDefault(name, a.getenv(v))
	}
	if !httpguts.ValidHeaderFieldValue(name) {
		return ""
	}
	return name
}

func (a *app) secrets() *config.Secrets { return &config.Secrets{Getenv: a.getenv} }

func (a *app) remote(g *globals, address, key string) *client {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	address = strings.TrimRight(address, "/")
	return &client{
		base: address, key: key, user: a.user(), where: "the gateway at " + address,
		http: &http.Client{Timeout: g.Timeout, Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		}},
	}
}

// local puts a gateway together in this process and calls it without network.
// Nobody else can call it, and who can open the store is its administrator.
func (a *app) local(g *globals, l *config.Loaded) (*client, error) {
	log := a.warnings()
	token := newSecret()
	n, err := a.assemble(l, assembleOptions{Log: log, LocalToken: token, Alone: true})
	if err != nil {
		return nil, err
	}
	n.refreshOllama(a.ctx)
	if err := n.start(); err != nil {
		n.close()
		return nil, err
	}
	return &client{
		base: "http://localhost", key: token, user: a.user(), where: "the gateway in this process",
		http: &http.Client{Timeout: g.Timeout, Transport: handlerTransport{n.gateway}},
		stop: n.close,
	}, nil
}

// findTime bounds how long a command looks for a gateway at one address.
const findTime = 2 * time.Second

// isGateway reports whether a Cartrita gateway answers. One that wants a key
// counts: it can say so itself.
func (c *client) isGateway(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	raw, err := c.get(ctx, versionPath, nil)
	if err != nil {
		return model.KindOf(err) == model.KindUnauthenticated
	}
	var v struct {
		Version string `json:"version"`
	}
	return json.Unmarshal(raw, &v) == nil && v.Version != ""
}

// isInstance reports whether the gateway that answers is this run of it.
func (c *client) isInstance(ctx context.Context, instance string) bool {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+versionPath, nil)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(req) // without the key: an unknown server does not get it
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return instance != "" && resp.Header.Get(headerInstance) == instance
}

// readServerFile returns where the gateway of a data directory says that it
// listens; the zero value when none left word.
func readServerFile(dir string) serverInfo {
	raw, err := os.ReadFile(filepath.Join(dir, serverFile))
	if err != nil {
		return serverInfo{}
	}
	var info serverInfo
	if json.Unmarshal(raw, &info) != nil {
		return serverInfo{}
	}
	return info
}

// configuredServer is where a gateway with this configuration would listen; ""
// when that is not known before it does.
func configuredServer(c *config.Config) string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "0" {
		return ""
	}
	return "http://" + net.JoinHostPort(dialable(host), port)
}

// dialable turns the address of all interfaces into one that can be called.
func dialable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// writeServerFile tells commands where this gateway listens; the returned
// function takes that back.
func writeServerFile(dir string, info serverInfo) (remove func(), err error) {
	path := filepath.Join(dir, serverFile)
	raw, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return nil, err
	}
	tmp := path + ".tmp"
	if err = os.WriteFile(tmp, append(raw, '\n'), 0o600); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // it says nothing
		return nil, err
	}
	return func() { _ = os.Remove(path) }, nil // one that stays behind leads nowhere
}
