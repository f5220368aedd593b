package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cartrita/cartrita/internal/testserver"
	"github.com/cartrita/cartrita/mock"
)

// configuration is every replica's: two models at one server, a budget that is
// large, and limits that are wide, so that calls pass all of it.
const configuration = `
models:
- {model_id: small, provider: lab, task_types: [chat-completions, text-generation], status: active}
- {model_id: large, provider: lab, task_types: [chat-completions, text-generation], status: active}
providers:
- name: lab
  kind: openai
  base_url: %s/v1
  endpoints:
  - {model: small, upstream: small, pricing: {input_usd_per_million: 0.5, output_usd_per_million: 1}}
  - {model: large, upstream: large, pricing: {input_usd_per_million: 2, output_usd_per_million: 8}}
budgets:
- {name: all, period: monthly, limit_usd: 1000000}
- {name: users, scope: {user: "*"}, period: daily, limit_usd: 1000}
limits: {drain_delay: 1s}
keys: {secret: file:%s}
`

// cluster is what runs.
type cluster struct {
	work     string
	postgres *testserver.Postgres
	redis    *testserver.Redis // nil: none is installed
	models   *http.Server
	replicas []*replica
}

type replica struct {
	url, data string
	args      []string
	binary    string
	log       *os.File

	cmd   *exec.Cmd
	ended chan struct{}
	ready atomic.Bool // as a load balancer sees it
}

// start starts everything, or nothing.
func start(ctx context.Context, o options) (_ *cluster, err error) {
	c := &cluster{}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	if c.work, err = os.MkdirTemp("", "cartrita-cluster-"); err != nil {
		return nil, err
	}
	if c.postgres, err = testserver.StartPostgres(); err != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	if c.redis, err = testserver.StartRedis(); err != nil {
		log.Printf("without Redis: %v", err)
	}
	base, err := c.serveModels()
	if err != nil {
		return nil, err
	}
	secret := filepath.Join(c.work, "key.secret")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(configuration, base, secret) + "store: " + c.postgres.URL() + "\n"
	if c.redis != nil {
		text += "redis: " + c.redis.URL() + "\n"
	}
	file := filepath.Join(c.work, "cartrita.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	for i := range o.replicas {
		r, err := c.startReplica(ctx, o, file, i)
		if err != nil {
			return nil, err
		}
		c.replicas = append(c.replicas, r)
	}
	return c, nil
}

func (c *cluster) serveModels() (base string, err error) {
	profile := mock.Profile{TTFT: 20 * time.Millisecond, AnswerTokens: 20, TokensPerSecond: 400}
	small, large := profile, profile
	small.Name, large.Name = "small", "large"
	handler, err := mock.New(mock.Config{Profiles: []mock.Profile{small, large}, Seed: 1})
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.models = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := c.models.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Print("the models: ", err)
		}
	}()
	return "http://" + l.Addr().String(), nil
}

// startReplica starts one and waits until it is ready.
func (c *cluster) startReplica(ctx context.Context, o options, file string, i int) (*replica, error) {
	address, err := address(ctx, o.port, i)
	if err != nil {
		return nil, err
	}
	r := &replica{url: "http://" + address, data: filepath.Join(c.work, fmt.Sprintf("replica-%d", i+1)), binary: o.binary}
	r.args = []string{"serve", "--config", file, "--data", r.data, "--listen", address}
	if r.log, err = os.Create(r.data + ".log"); err != nil {
		return nil, err
	}
	return r, r.start(ctx)
}

// start starts the process and waits until it is ready.
func (r *replica) start(ctx context.Context) error {
	r.cmd, r.ended = exec.Command(r.binary, r.args...), make(chan struct{})
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.Env = append(os.Environ(), "CARTRITA_DISCOVERY_ENV=false", "CARTRITA_DISCOVERY_OLLAMA=false")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is ours to pass on
	if err := r.cmd.Start(); err != nil {
		return err
	}
	cmd, ended := r.cmd, r.ended
	go func() { _ = cmd.Wait(); close(ended) }()
	if err := r.waitReady(ctx); err != nil {
		r.stop()
		said, _ := os.ReadFile(r.data + ".log")
		return fmt.Errorf("%s: %w\n%s", r.data, err, said)
	}
	return nil
}

// address is where replica i listens.
func address(ctx context.Context, port, i int) (string, error) {
	if port > 0 {
		return fmt.Sprintf("127.0.0.1:%d", port+i), nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (r *replica) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, err := fetch(ctx, r.url+"/readyz"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", ctx.Err())
		case <-r.ended:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func (r *replica) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-r.ended:
	case <-time.After(20 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

func (c *cluster) stop() {
	for _, r := range c.replicas {
		r.stop()
		_ = r.log.Close()
	}
	if c.models != nil {
		_ = c.models.Close()
	}
	if c.redis != nil {
		c.redis.Remove()
	}
	if c.postgres != nil {
		c.postgres.Remove()
	}
	_ = os.RemoveAll(c.work)
}
