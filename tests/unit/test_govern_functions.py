"""Kubernetes' CEL functions give here what they give in the API server.

The cases are those of k8s.io/apiserver/pkg/cel/library's documentation and tests; a real API server of 1.37
was asked each of them.
"""

import pytest

from aistack.govern.rules import Failure, activation, condition

TRUE = [
    # lists
    "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
    "[1, 2, 3].sum() == 6 && [1.5, 2.0].sum() == 3.5 && [].sum() == 0",
    "object.numbers.min() == 1 && object.numbers.max() == 3",
    # regular expressions
    "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]') == ''",
    "'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && 'abc'.findAll('x') == []",
    "'aaa'.findAll('a*', 2) == ['aaa'] && 'abc'.findAll('x*') == ['', '', '', '']",
    "'123 abc 456'.findAll('[0-9]+', 1) == ['123'] && 'a1'.findAll('[0-9]', 0) == []",
    "'key=value'.find('([a-z]+)=([a-z]+)') == 'key=value'",
    # strings, in the version of the API server: no reverse
    "'a,b'.split(',').join('-') == 'a-b' && 'Ab'.lowerAscii() == 'ab' && ' a '.trim() == 'a'",
    "'abc'.indexOf('c') == 2 && 'abc'.substring(1) == 'bc' && 'abc'.replace('b', 'x') == 'axc'",
    "'%s has %d'.format(['a', 1]) == 'a has 1'",
    # sets, optionals, comprehensions of two variables
    "sets.contains([1, 2], [1]) && sets.equivalent([1], [1, 1]) && !sets.intersects([1], [2])",
    "object.?absent.orValue(4) == 4 && object.?numbers[?0].hasValue() && object[?'absent'].orValue(1) == 1",
    "optional.of(3).optMap(x, x + 1).value() == 4 && optional.none().or(optional.of(1)).value() == 1",
    "{'a': 1}.all(key, value, key == 'a' && value == 1) && [5].exists(index, item, index == 0 && item == 5)",
    # quantities
    "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')",
    "quantity('50k').sub(20000) == quantity('30k') && sign(quantity('-1')) == -1",
    "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('50Mi').isGreaterThan(quantity('50M'))",
    "quantity('2Gi').asInteger() == 2147483648 && quantity('500m').asApproximateFloat() == 0.5",
    "quantity('50000000G').isInteger() && !quantity('0.5').isInteger()",
    "!quantity('9999999999999999999999999999999999999G').isInteger()",
    "isQuantity('1.3Gi') && isQuantity('10000k') && !isQuantity('1,3G') && !isQuantity('200K')",
    "!isQuantity('Three') && isQuantity('Mi') && !isQuantity('') && quantity('2e3') == quantity('2k')",
    "quantity('0.1n') == quantity('1n') && quantity('.5') == quantity('500m') && isQuantity('1e1000')",
    # IP addresses and networks
    "isIP('127.0.0.1') && isIP('::1') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && !isIP('1.2.3')",
    "ip('10.0.0.1').family() == 4 && ip('::1').family() == 6 && ip('0.0.0.0').isUnspecified()",
    "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
    "ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && !ip('10.0.0.1').isLoopback()",
    "ip('169.254.1.1').isLinkLocalUnicast() && ip('10.0.0.1').isGlobalUnicast()",
    "!ip('255.255.255.255').isGlobalUnicast() && ip('ff02::1').isLinkLocalMulticast()",
    "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
    "ip('2001:db8::1') == ip('2001:DB8::1')",
    "cidr('10.0.0.0/24').containsIP('10.0.0.1') && !cidr('10.0.0.0/24').containsIP(ip('10.0.1.1'))",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
    "cidr('192.168.1.5/24').masked() == cidr('192.168.1.0/24') && cidr('::1/128').prefixLength() == 128",
    "cidr('192.168.1.5/24').ip() == ip('192.168.1.5') && !isCIDR('192.168.0.0') && !isCIDR('1.2.3.4/33')",
    # URLs
    "url('https://user@example.com:80/a%20b?k=1&k=2').getHost() == 'example.com:80'",
    "url('https://example.com:80/').getPort() == '80' && url('https://example.com/').getPort() == ''",
    "url('https://[::1]:80/').getHostname() == '::1' && url('https://a.b/').getScheme() == 'https'",
    "url('https://a.b/a%20b?k=1&k=2').getEscapedPath() == '/a%20b'",
    "url('https://a.b/?k=1&k=2').getQuery() == {'k': ['1', '2']}",
    "isURL('/absolute/path') && !isURL('relative') && !isURL('https://a b/')",
    "!isURL('https://a.b/%zz') && isURL('*') && url('https://a.b/a b').getEscapedPath() == '/a%20b'",
    "url('mailto:x@y').getEscapedPath() == '' && url('/?a=1;b=2').getQuery() == {}",
    # versions
    "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0').isGreaterThan(semver('1.0.0-rc.1'))",
    "semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10')) == -1",
    "semver('1.0.0-1').isLessThan(semver('1.0.0-a')) && semver('1.0.0+a').compareTo(semver('1.0.0+b')) == 0",
    "semver('v1.2', true).patch() == 0 && semver('01.02.03', true) == semver('1.2.3')",
    "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
    "semver('1.2.3+build') == semver('1.2.3') && !isSemver('1.2.3-01') && isSemver('1.2.3-0a')",
    "isSemver('1.0.0') && !isSemver('1.0') && isSemver('v1.0', true) && !isSemver('01.0.0')",
]
ERRORS = [
    ("sign(quantity('many')) == 1", "'many' is no quantity"),
    ("quantity('0.5').asInteger() == 1", "cannot convert value to integer"),
    ("quantity('1').isLessThan(semver('1.0.0'))", "expected a quantity, got semver"),
    ("ip('300.1.1.1').family() == 4", "300.1.1.1"),
    ("cidr('10.0.0.0').prefixLength() == 8", "'10.0.0.0' is no CIDR"),
    ("url('nowhere').getHost() == ''", "'nowhere' is no URL"),
    ("semver('1').major() == 1", "'1' is no semantic version"),
    ("object.empty.max() == 1", "the list is empty"),
    ("'a'.find('(') == ''", "missing )"),
]
ABSENT = [
    "'abc'.reverse() == 'cba'",
    "base64.encode(b'a') == 'YQ=='",
    "cel.bind(x, 1, x == 1)",
    "authorizer == 1",
]


def answer(expression: str) -> object:
    this = {"numbers": [3, 1, 2], "empty": []}
    variables = activation(this=this, old=None, namespace={}, facts={}, params={})
    return condition(expression, "policy").answer(variables)


@pytest.mark.parametrize("expression", TRUE)
def test_it_holds_as_in_the_api_server(expression: str) -> None:
    assert answer(expression) is True


@pytest.mark.parametrize(("expression", "words"), ERRORS)
def test_what_it_cannot_take_is_an_error_that_says_why(expression: str, words: str) -> None:
    found = answer(expression)
    assert isinstance(found, Failure)
    assert words in found.why


@pytest.mark.parametrize("expression", ABSENT)
def test_what_the_api_server_would_not_compile_is_not_compiled(expression: str) -> None:
    assert isinstance(condition(expression, "policy").compiled, Failure)


def test_a_pattern_that_takes_others_exponential_time_takes_none() -> None:
    assert answer(f"'{'a' * 5000}!'.find('^(a+)+$') == ''") is True


def test_marks_in_a_text_are_not_taken_for_matches() -> None:
    assert answer(r"'\u00010\u0002a\u00011\u0002\u0001'.findAll('[a-z0-9]') == ['0', 'a', '1']") is True
