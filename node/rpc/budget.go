package rpc

// budget limits how much failing over may add to what callers ask for. Every
// call earns a share of an attempt, and every further attempt that costs a
// provider work spends a whole one, so that a group of providers that has
// become slow is not asked twice as much because of it. See retry throttling in
// gRPC's proposal A6, and retry budgets in Finagle.
//
// A value for one owner: not safe for concurrent use.
type budget struct {
	share int64 // what a call earns, in percent of an attempt
	most  int64 // in percent of an attempt
	have  int64
}

// attempt is the unit of a budget.
const attempt = 100

func newBudget(share, burst int) budget {
	return budget{share: int64(share), most: int64(burst) * attempt, have: int64(burst) * attempt}
}

// earn counts a first attempt.
func (b *budget) earn() { b.have = min(b.have+b.share, b.most) }

// spend takes one further attempt, or reports that there is none.
func (b *budget) spend() bool {
	if b.have < attempt {
		return false
	}
	b.have -= attempt
	return true
}
