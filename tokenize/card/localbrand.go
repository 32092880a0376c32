package card

// LocalBrand is a brand known in one country or to one issuer, which a card carries
// alone or beside an international one. It usually can't be told from the number: the
// embedding service's BINTable knows. The zero LocalBrand means that none is known and
// marshals as empty text.
type LocalBrand uint8

// The local brands.
const (
	LocalBanamexCostco LocalBrand = iota + 1
	LocalBankAxept
	LocalBedBathAndBeyond
	LocalCarnet
	LocalCarteBancaire
	LocalCostcoMemberCredit
	LocalEBT
	LocalEftpos
	LocalElo
	LocalFarmers
	LocalGirocardJCB
	LocalGirocardMaestro
	LocalGirocardVisa
	LocalLaser
	LocalOther
	LocalPagoBancomat
	LocalQCard
	LocalSoriana
	LocalTrueRewards
)

var localNames = [...]string{"",
	"BANAMEX_COSTCO",
	"BANKAXEPT",
	"BED_BATH_AND_BEYOND",
	"CARNET",
	"CARTE_BANCAIRE",
	"COSTCO_MEMBER_CREDIT",
	"EBT",
	"EFTPOS",
	"ELO",
	"FARMERS",
	"GIROCARD_JCB",
	"GIROCARD_MAESTRO",
	"GIROCARD_VISA",
	"LASER",
	"OTHER",
	"PAGOBANCOMAT",
	"Q_CARD",
	"SORIANA",
	"TRUE_REWARDS",
}

// String returns the name a gateway uses, such as CARTE_BANCAIRE, and "" for zero.
func (l LocalBrand) String() string {
	if l == 0 {
		return ""
	}
	return enumName("LocalBrand", localNames[:], uint8(l))
}

// MarshalText returns String; a value without a name is an error.
func (l LocalBrand) MarshalText() ([]byte, error) {
	if l == 0 {
		return nil, nil
	}
	return enumText(FieldLocalBrand, localNames[:], uint8(l))
}

// UnmarshalText reads what MarshalText wrote.
func (l *LocalBrand) UnmarshalText(t []byte) error {
	if len(t) == 0 {
		*l = 0
		return nil
	}
	v, err := enumParse(FieldLocalBrand, localNames[:], string(t))
	if err == nil {
		*l = LocalBrand(v)
	}
	return err
}
