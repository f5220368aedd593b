package importer

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// LiteLLM writes every price of a tier as a field of its own:
// input_cost_per_token_above_272k_tokens_priority.
var liteLLMTier = regexp.MustCompile(`^(.+?)(?:_above_(\d+)k_tokens)?(?:_(priority|flex|batches))?$`)

// liteLLMTokenPrices are the names of token prices without their tier, in the
// order of model.Pricing's TokenPrices.
var liteLLMTokenPrices = [model.TokenClasses]string{
	"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
	"cache_creation_input_token_cost", "cache_creation_input_token_cost_above_1hr",
	"output_cost_per_reasoning_token", "input_cost_per_audio_token", "output_cost_per_audio_token",
	"input_cost_per_image_token", "output_cost_per_image_token",
}

var liteLLMServices = map[string]string{"batches": "batch"}

func liteLLMPricing(key, mode string, f *fields) *model.Pricing {
	p := &model.Pricing{Source: string(LiteLLM), Request: nonzero(f.usd("input_cost_per_request"))}
	for i, c := range p.TokenPrices() {
		*c.Price = f.perMillion(liteLLMTokenPrices[i])
		if i > 1 { // a zero for a class that has no price of its own is no price
			*c.Price = nonzero(*c.Price)
		}
	}
	p.Second = liteLLMSecond(mode, f)
	p.Tiers = liteLLMTiers(f)
	f.read["source"] = true // where LiteLLM read the price; its own word is the source here
	free := strings.HasSuffix(key, ":free") || strings.HasSuffix(key, "-free")
	paid := nonzero(p.Input) != nil || nonzero(p.Output) != nil || p.Request != nil || p.Second != nil
	if !paid && !free || p.Input == nil && p.Output == nil && p.Request == nil && p.Second == nil {
		return nil
	}
	return p
}

// liteLLMSecond reads the price of a second that a call takes. In the modes of
// sound and video the same fields price a second of the recording instead,
// which nothing here counts.
func liteLLMSecond(mode string, f *fields) *model.Money {
	switch mode {
	case "", "chat", "completion", "responses", "embedding":
	default:
		return nil
	}
	in, out := nonzero(f.usd("input_cost_per_second")), nonzero(f.usd("output_cost_per_second"))
	if in == nil || out == nil {
		return cmp.Or(in, out)
	}
	sum := *in + *out
	return &sum
}

// liteLLMTiers reads the prices of long prompts and service tiers.
func liteLLMTiers(f *fields) (out []model.PriceTier) {
	type when struct {
		service string
		above   int64
	}
	tiers := map[when]*model.PriceTier{}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		part := liteLLMTier.FindStringSubmatch(name)
		if part == nil || part[2] == "" && part[3] == "" {
			continue
		}
		class := slices.Index(liteLLMTokenPrices[:], part[1])
		if class < 0 {
			continue
		}
		thousands, _ := strconv.ParseInt(part[2], 10, 32)
		w := when{cmp.Or(liteLLMServices[part[3]], part[3]), thousands * 1000}
		price := nonzero(f.perMillion(name))
		if price == nil {
			continue
		}
		if tiers[w] == nil {
			tiers[w] = &model.PriceTier{AboveInput: w.above, ServiceTier: w.service}
		}
		*tiers[w].TokenPrices()[class].Price = price
	}
	for _, w := range slices.SortedFunc(maps.Keys(tiers), func(a, b when) int {
		return cmp.Or(strings.Compare(a.service, b.service), cmp.Compare(a.above, b.above))
	}) {
		out = append(out, *tiers[w])
	}
	return out
}
