package card

// ResolveBrand reads a brand as callers of other platforms name it: the names of
// Brand and LocalBrand, and the aliases below, without regard to case and with space,
// hyphen and underscore taken as the same. A local name comes back as BrandLocalOnly
// with the LocalBrand set; every other one with LocalBrand 0. The error is an *Error
// for the field "brand".
func ResolveBrand(name string) (Brand, LocalBrand, error) {
	if name == "" {
		return 0, 0, missing(FieldBrand)
	}
	if len(name) > 32 {
		return 0, 0, invalid(FieldBrand, ReasonName)
	}
	var buf [32]byte
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case c == ' ' || c == '-':
			c = '_'
		}
		buf[i] = c
	}
	s := string(buf[:len(name)])
	if b, l := aliased(s); b != 0 {
		return b, l, nil
	}
	if v, err := enumParse(FieldBrand, brandNames[:], s); err == nil {
		return Brand(v), 0, nil
	}
	if v, err := enumParse(FieldBrand, localNames[:], s); err == nil {
		return BrandLocalOnly, LocalBrand(v), nil
	}
	return 0, 0, invalid(FieldBrand, ReasonName)
}

// aliased knows the other names that brands go by: those of Verifone's platform (CB,
// DINERS, UPI, PLCC), and what gateways and card tables write.
func aliased(s string) (Brand, LocalBrand) {
	switch s {
	case "AMERICAN_EXPRESS", "AMERICANEXPRESS", "AX":
		return BrandAmex, 0
	case "UPI", "CUP", "UNIONPAY", "UNION_PAY", "CHINA_UNION_PAY", "CHINAUNIONPAY":
		return BrandChinaUnionPay, 0
	case "DINERS", "DINERSCLUB", "DINERS_CLUB_INTERNATIONAL", "DC":
		return BrandDinersClub, 0
	case "DISCOVER_CARD", "DI":
		return BrandDiscover, 0
	case "JAPAN_CREDIT_BUREAU":
		return BrandJCB, 0
	case "MASTER_CARD", "MASTER", "EUROCARD", "MC":
		return BrandMastercard, 0
	case "INTERNATIONAL_MAESTRO", "UK_MAESTRO":
		return BrandMaestro, 0
	case "RU_PAY":
		return BrandRuPay, 0
	case "AIRPLUS", "AIR_PLUS":
		return BrandUATP, 0
	case "VISA_ELECTRON", "VISAELECTRON", "V_PAY", "VPAY", "VI":
		return BrandVisa, 0
	case "CB", "CARTES_BANCAIRES", "CARTE_BANCAIRES", "CARTE_BLEUE":
		return BrandLocalOnly, LocalCarteBancaire
	case "EFTPOS_AU", "EFTPOSAU", "EFTPOS_AUSTRALIA":
		return BrandLocalOnly, LocalEftpos
	case "BANK_AXEPT":
		return BrandLocalOnly, LocalBankAxept
	case "PAGO_BANCOMAT":
		return BrandLocalOnly, LocalPagoBancomat
	case "LOCAL", "PLCC", "BANCONTACT", "BCMC", "CABAL", "DANKORT", "FORBRUGSFORENINGEN",
		"GIROCARD", "HIPER", "HIPERCARD", "HUMO", "INTERAC", "JAYWAN", "MADA", "MIR",
		"NAPAS", "NARANJA", "TROY", "UZCARD", "VERVE":
		return BrandLocalOnly, LocalOther
	}
	return 0, 0
}
