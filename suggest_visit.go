package cartrita

import (
	"time"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/route"
)

// adviser adds up, for one worker, what suggestions are made from. What it
// keeps does not depend on the order of the calls.
type adviser struct {
	byCost   *route.Strategy
	replayer *replayer // of the change to byCost
	own      route.Strategy
	quality  float64
	part     bool // the calls are those of one team or project alone

	calls    int64
	cost     model.Money
	from, to time.Time
	cheap    map[trafficKey]*traffic
	floor    map[trafficKey]*traffic
	prompts  map[promptKey]*repeats
	prefixes map[prefixKey]*repeats
	tasks    map[model.Task]*taskSizes
	batch    map[model.EndpointID]*sums
	machine  map[model.EndpointID]*machine
	blind    map[model.EndpointID]int64 // calls whose decision is not on record, by who served them
}

// trafficKey tells calls apart that a strategy is changed for in different ways.
type trafficKey struct {
	task  string
	named bool // they name a model, and stay there
}

// traffic is calls decided again under another strategy.
type traffic struct {
	sums
	limited map[string]int64 // calls by the strategy with hard limits that they were decided under
}

func (t *traffic) merge(o *traffic) {
	t.sums.merge(&o.sums)
	for name, n := range o.limited {
		t.limit(name, n)
	}
}

func (t *traffic) limit(strategy string, calls int64) {
	if t.limited == nil {
		t.limited = map[string]int64{}
	}
	t.limited[strategy] += calls
}

// promptKey tells prompts apart that one cached answer may serve.
type promptKey struct {
	prompt uint64
	task   model.Task
	model  model.ModelID
}

// prefixKey tells beginnings of prompts apart that an upstream may hold in its
// cache at the same time.
type prefixKey struct {
	prefix   uint64
	endpoint model.EndpointID
	slot     int64 // of cacheLife
}

// cacheLife is how long an upstream surely keeps a prompt.
const cacheLife = 5 * time.Minute

// repeats are calls that are alike.
type repeats struct {
	calls  int64
	amount model.Money // that all but one of them could save, were it one each
}

// taskSizes are the sizes of the calls of a task.
type taskSizes struct{ calls []callSize }

type callSize struct {
	in, out int64
	price   model.Money // of the prompt
}

// machine is an endpoint on hardware that is paid for by the hour.
type machine struct {
	pricing  *model.Pricing
	repriced bool    // an hour cost something else for some of the calls
	speed    float64 // tokens per second; 0 unknown
	calls    int64
	tokens   int64
	movable  int64       // calls that a hosted endpoint of the same weights may serve, at a known price
	bound    int64       // calls, failed ones too, that none may serve
	hosted   model.Money // price of the movable ones there
	moved    int64       // tokens of the movable ones
}

func newAdviser(q *ReplayQuery, byCost *route.Strategy) *adviser {
	// What is advised must stay within what the strategies in use forbid.
	c := &change{Change: &Change{KeepLimits: true}, strategy: byCost}
	return &adviser{
		byCost: byCost, replayer: newReplayer(c, newTotals(q)), part: q.Team != "" || q.Project != "" || q.User != "",
		cheap: map[trafficKey]*traffic{}, floor: map[trafficKey]*traffic{}, prompts: map[promptKey]*repeats{}, prefixes: map[prefixKey]*repeats{},
		tasks: map[model.Task]*taskSizes{}, batch: map[model.EndpointID]*sums{}, machine: map[model.EndpointID]*machine{}, blind: map[model.EndpointID]int64{},
	}
}

func at[K comparable, V any](m map[K]*V, k K) *V {
	v := m[k]
	if v == nil {
		v = new(V)
		m[k] = v
	}
	return v
}

// visit implements visitor.
func (a *adviser) visit(c *stored) error {
	if c.rec.State == model.StatePlanned {
		return nil
	}
	if c.trace == nil || c.fleet == nil {
		a.blind[c.rec.Endpoint]++
		return nil
	}
	if err := a.decide(c); err != nil {
		return err
	}
	a.calls++
	if a.from.IsZero() || c.call.Ended.Before(a.from) {
		a.from = c.call.Ended
	}
	if c.call.Ended.After(a.to) {
		a.to = c.call.Ended
	}
	served, known := servedBy(c)
	if !known {
		return nil
	}
	s := &c.fleet.Served[served.At]
	if c.rec.State == model.StateCompleted {
		a.cost += c.rec.Cost.Total
		a.look(c, s)
	}
	if s.Pricing != nil && s.Pricing.Hourly != nil {
		return a.move(c, s)
	}
	return nil
}

// decide decides the call by cost, and by cost among models no worse than the
// one that was chosen. A call whose strategy a budget set is left out: no
// strategy that is advised would have been its own.
func (a *adviser) decide(c *stored) error {
	if b := c.trace.Budget; b != nil && b.Strategy != "" {
		return nil
	}
	key := trafficKey{c.rec.Task.String(), c.trace.Named != nil}
	for _, way := range []struct {
		into  map[trafficKey]*traffic
		floor bool
	}{{a.cheap, false}, {a.floor, true}} {
		if way.floor && key.named {
			continue // another endpoint of the model is no worse
		}
		in, err := a.replayer.again.Input(c.trace, c.fleet)
		if err != nil {
			return err
		}
		same, _ := route.Decide(in)
		if same == nil || !c.trace.Same(same) {
			return nil // Replay is there to be loud about it
		}
		a.own = *a.byCost
		if way.floor {
			q := same.First().Terms.Quality
			if !q.Known {
				continue
			}
			a.quality = max(q.Value, deref(a.own.Limits.MinQuality))
			a.own.Limits.MinQuality = &a.quality
		}
		a.replayer.change.strategy = &a.own
		other, _ := a.replayer.decide(in, c)
		compared := a.replayer.compare(c, same, other)
		t := at(way.into, key)
		t.add(&compared)
		if c.trace.Strategy.Limited() {
			t.limit(c.trace.Strategy.Name, 1)
		}
	}
	return nil
}

func deref(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

// look notes the prompt, the size and the urgency of a call that was served at s.
func (a *adviser) look(c *stored, s *model.Served) {
	u, r := c.rec.Usage, &c.trace.Request
	if r.Prompt != 0 && !c.rec.Cost.Unpriced {
		p := at(a.prompts, promptKey{r.Prompt, c.rec.Task, c.rec.Model})
		p.calls++
		p.amount += c.rec.Cost.Total
	}
	price := withThroughput(s.Pricing, s)
	if p := s.Pricing; p != nil && p.CachedRead != nil && r.Prefix != 0 && u.Input.Known && u.CachedRead.Or(0) == 0 && r.PromptBytes > 0 {
		cached := u
		cached.CachedRead = model.Known(int64(float64(u.Input.N) * min(float64(prefixBytes)/float64(r.PromptBytes), 1)))
		cached.CacheWrite, cached.CacheWriteLong = model.Count{}, model.Count{}
		full, less := cost.Price(price, u, took(c)), cost.Price(price, cached, took(c))
		if !full.Unpriced && !less.Unpriced && less.Total < full.Total {
			k := at(a.prefixes, prefixKey{r.Prefix, c.rec.Endpoint, c.call.Ended.UnixNano() / int64(cacheLife)})
			k.calls++
			k.amount += full.Total - less.Total
		}
	}
	if u.Input.Known && u.Output.Known && !c.rec.Cost.Unpriced {
		t := at(a.tasks, c.rec.Task)
		t.calls = append(t.calls, callSize{u.Input.N, u.Output.N, promptCost(&c.rec.Cost)})
	}
	if c.trace.Criteria != nil && c.trace.Criteria.Context.Priority == model.PriorityLow && !c.rec.Stream && hasBatch(s.Pricing) && u.ServiceTier == "" {
		tiered := u
		tiered.ServiceTier = batchTier
		full, less := cost.Price(price, u, took(c)), cost.Price(price, tiered, took(c))
		if !full.Unpriced && !less.Unpriced {
			at(a.batch, c.rec.Endpoint).saved.add(float64(full.Total-less.Total), 0)
		}
	}
}

const batchTier = "batch"

func hasBatch(p *model.Pricing) bool {
	if p == nil {
		return false
	}
	for i := range p.Tiers {
		if p.Tiers[i].ServiceTier == batchTier {
			return true
		}
	}
	return false
}

// move prices a call that was served on hardware of our own at the cheapest
// hosted endpoint of the same weights that may serve it: that passes every
// filter of the router. A call that failed needed a place too.
func (a *adviser) move(c *stored, s *model.Served) error {
	m := at(a.machine, s.ID)
	m.price(s.Pricing)
	if speed, ok := withThroughput(s.Pricing, s).MachineThroughput(); ok {
		m.speed = speed
	}
	tokens := c.rec.Usage.Input.Or(0) + c.rec.Usage.Output.Or(0)
	best, may := model.Money(-1), false
	for i := range c.trace.Endpoints {
		f := &c.trace.Endpoints[i]
		o := &c.fleet.Served[f.At]
		if o.Pricing == nil || o.Pricing.Hourly != nil || s.Model.Canonical == "" || o.Model.Canonical != s.Model.Canonical {
			continue
		}
		in, err := a.replayer.again.Input(c.trace, c.fleet)
		if err != nil {
			return err
		}
		in.Only = []int32{f.At}
		if p, _ := route.Decide(in); p == nil {
			continue
		}
		may = true
		if bill := cost.Price(o.Pricing, c.rec.Usage, took(c)); !bill.Unpriced && (best < 0 || bill.Total < best) {
			best = bill.Total
		}
	}
	if !may {
		m.bound++
	}
	if c.rec.State != model.StateCompleted {
		return nil
	}
	m.calls++
	m.tokens += tokens
	if best >= 0 {
		m.movable++
		m.hosted += best
		m.moved += tokens
	}
	return nil
}

// price notes what the machine cost when a call was served.
func (m *machine) price(p *model.Pricing) {
	if m.pricing == nil {
		m.pricing = p
		return
	}
	before, known := m.perHour()
	other := machine{pricing: p}
	now, knownNow := other.perHour()
	m.repriced = m.repriced || before != now || known != knownNow
}

func (a *adviser) merge(o *adviser) {
	a.calls, a.cost = a.calls+o.calls, a.cost+o.cost
	if a.from.IsZero() || !o.from.IsZero() && o.from.Before(a.from) {
		a.from = o.from
	}
	if o.to.After(a.to) {
		a.to = o.to
	}
	for _, pair := range [][2]map[trafficKey]*traffic{{a.cheap, o.cheap}, {a.floor, o.floor}} {
		for k, s := range pair[1] {
			at(pair[0], k).merge(s)
		}
	}
	for k, s := range o.batch {
		at(a.batch, k).merge(s)
	}
	for k, r := range o.prompts {
		at(a.prompts, k).merge(r)
	}
	for k, r := range o.prefixes {
		at(a.prefixes, k).merge(r)
	}
	for k, t := range o.tasks {
		mine := at(a.tasks, k)
		mine.calls = append(mine.calls, t.calls...)
	}
	for k, m := range o.machine {
		mine := at(a.machine, k)
		mine.price(m.pricing)
		mine.repriced = mine.repriced || m.repriced
		mine.speed = max(mine.speed, m.speed)
		mine.calls, mine.tokens, mine.bound = mine.calls+m.calls, mine.tokens+m.tokens, mine.bound+m.bound
		mine.movable, mine.hosted, mine.moved = mine.movable+m.movable, mine.hosted+m.hosted, mine.moved+m.moved
	}
	for k, n := range o.blind {
		a.blind[k] += n
	}
}

func (r *repeats) merge(o *repeats) { r.calls, r.amount = r.calls+o.calls, r.amount+o.amount }

// promptCost is what the prompt of a call cost, of whatever class its tokens were.
func promptCost(b *model.CostBreakdown) model.Money {
	return b.Input + b.CachedRead + b.CacheWrite + b.CacheWriteLong + b.AudioInput + b.ImageInput
}
