package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// scenario is one load of the rig and what is asked of it.
type scenario struct {
	title string
	rig   string  // kind:body:ttft:rate:gap
	cpu   float64 // goal: our CPU per request over the parsing proxy's; 0 none
	added float64 // goal: median added latency over direct, µs; 0 none
	long  bool    // count broken streams over at least 10,000
}

var scenarios = []scenario{
	{title: "1 kB", rig: "ns:1024:0:0", cpu: 1.5},
	{title: "32 kB", rig: "ns:32768:0:0", cpu: 0.7},
	{title: "paced streams", rig: "st:1024:60ms:0:2ms", cpu: 1.3, long: true},
	{title: "1 kB at 200/s", rig: "ns:1024:0:200", added: 450},
}

const brokenStreams = 10_000

// sample is one line of the rig's raw output.
type sample struct {
	Round    int    `json:"round"`
	Scenario string `json:"scenario"`
	Target   string `json:"target"`
	Result   struct {
		Requests uint64           `json:"requests"`
		Errors   uint64           `json:"errors"`
		Kinds    map[string]int64 `json:"error_kinds"`
		CPU      float64          `json:"cpu_us_per_request"`
		Latency  struct {
			P50 float64 `json:"p50_us"`
		} `json:"latency"`
		HostBusy float64 `json:"host_busy_cores"`
	} `json:"result"`
}

// against measures the gateway beside the parsing proxy, round by round.
func against(ctx context.Context, rig, binary, work string, rounds int, duration time.Duration) error {
	fmt.Println("\n== Against a reverse proxy that parses the body; routing, pricing and events on")
	bin := filepath.Join(work, "rig") + string(filepath.Separator)
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := command(ctx, rig, "go", "build", "-o", bin, "./..."); err != nil {
		return err
	}
	spec, err := writeSpec(bin, binary, work)
	if err != nil {
		return err
	}
	var all []sample
	for _, sc := range scenarios {
		raw := filepath.Join(work, "raw.json")
		n := rounds
		if sc.long { // 64 connections, about 150 ms a stream under load
			n = max(rounds, int(brokenStreams/(64/0.15*duration.Seconds()))+2)
		}
		if err := command(ctx, "", filepath.Join(bin, "compare"), "-spec", spec, "-scenarios", sc.rig, "-rounds", strconv.Itoa(n),
			"-duration", duration.String(), "-logs", work, "-out", raw); err != nil {
			return err
		}
		b, err := os.ReadFile(raw)
		if err != nil {
			return err
		}
		var got []sample
		if err := json.Unmarshal(b, &got); err != nil {
			return err
		}
		all = append(all, got...)
	}
	fmt.Println("\n== Verdicts (medians over rounds; ratios within a round)")
	for _, sc := range scenarios {
		verdict(sc, all)
	}
	return nil
}

func verdict(sc scenario, all []sample) {
	rounds := map[string]map[int]sample{}
	for _, s := range all {
		if s.Scenario == sc.rig {
			if rounds[s.Target] == nil {
				rounds[s.Target] = map[int]sample{}
			}
			rounds[s.Target][s.Round] = s
		}
	}
	var cpu, added []float64
	var requests, errors, floorErrors uint64
	for i, s := range rounds["cartrita"] {
		requests += s.Result.Requests
		errors += s.Result.Errors
		if floor, ok := rounds["parse"][i]; ok && floor.Result.CPU > 0 {
			cpu = append(cpu, s.Result.CPU/floor.Result.CPU)
			floorErrors += floor.Result.Errors
		}
		if direct, ok := rounds["direct"][i]; ok {
			added = append(added, s.Result.Latency.P50-direct.Result.Latency.P50)
		}
	}
	if sc.cpu > 0 {
		report(sc.title+": CPU per request, ratio to the proxy", median(cpu), sc.cpu, spread(cpu))
	}
	if sc.added > 0 {
		report(sc.title+": added latency p50, µs", median(added), sc.added, spread(added))
	}
	if sc.long {
		report(fmt.Sprintf("%s: broken of %d (the proxy: %d)", sc.title, requests, floorErrors), float64(errors), 0, "")
	} else if errors > 0 {
		fmt.Printf("%s: %d of %d requests failed: the figures above are no result\n", sc.title, errors, requests)
	}
}

// writeSpec writes the gateway's configuration and the rig's list of targets.
func writeSpec(bin, binary, work string) (string, error) {
	mock, err := freeAddress()
	if err != nil {
		return "", err
	}
	ours, err := freeAddress()
	if err != nil {
		return "", err
	}
	floor, err := freeAddress()
	if err != nil {
		return "", err
	}
	config := filepath.Join(work, "bench.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, configText, ours, filepath.Join(work, "data"), mock), 0o600); err != nil {
		return "", err
	}
	type target struct {
		Name  string   `json:"name"`
		URL   string   `json:"url"`
		Model string   `json:"model,omitempty"`
		Cmd   []string `json:"cmd"`
	}
	const path = "/v1/chat/completions"
	b, err := json.Marshal(map[string]any{
		"mock":     []string{filepath.Join(bin, "mockllm"), "-addr", mock},
		"mock_url": "http://" + mock,
		"targets": []target{
			{Name: "parse", URL: "http://" + floor + path, Cmd: []string{filepath.Join(bin, "floorproxy"), "-kind", "parse", "-addr", floor, "-upstream", mock}},
			{Name: "cartrita", URL: "http://" + ours + path, Model: "auto", Cmd: []string{binary, "serve", "--config", config}},
		},
	})
	if err != nil {
		return "", err
	}
	spec := filepath.Join(work, "spec.json")
	return spec, os.WriteFile(spec, b, 0o600)
}

// configText routes over ten endpoints of two models on the one mock, so that
// each decision has real alternatives, and prices every call.
const configText = `
listen: %s
data: %s
discovery: {env: false, ollama: false}
log: {level: warn}
models:
  - {model_id: small, provider: rig, task_types: [chat-completions, text-generation], context_length: 128000, status: active}
  - {model_id: large, provider: rig, task_types: [chat-completions, text-generation], context_length: 128000, status: active}
providers:
  - name: rig
    kind: openai
    base_url: http://%s/v1
    endpoints:
      - {model: small, upstream: small-1, pricing: {input_usd_per_million: 0.05, output_usd_per_million: 0.08}}
      - {model: small, upstream: small-2, pricing: {input_usd_per_million: 0.05, output_usd_per_million: 0.08}}
      - {model: small, upstream: small-3, pricing: {input_usd_per_million: 0.06, output_usd_per_million: 0.09}}
      - {model: small, upstream: small-4, pricing: {input_usd_per_million: 0.06, output_usd_per_million: 0.09}}
      - {model: small, upstream: small-5, pricing: {hourly_usd: 2, tokens_per_second: 1800}}
      - {model: large, upstream: large-1, pricing: {input_usd_per_million: 2.5, output_usd_per_million: 10}}
      - {model: large, upstream: large-2, pricing: {input_usd_per_million: 2.5, output_usd_per_million: 10}}
      - {model: large, upstream: large-3, pricing: {input_usd_per_million: 3, output_usd_per_million: 15}}
      - {model: large, upstream: large-4, pricing: {input_usd_per_million: 3, output_usd_per_million: 15}}
      - {model: large, upstream: large-5, pricing: {hourly_usd: 4.2, tokens_per_second: 900}}
`

// freeAddress returns a loopback address on which nobody listens right now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
