/** The promises of admission: exact under contention, one answer a key, the right purse, nothing for nobody. */
import { caller, check, openHouse, placedOf, usd, type House } from './admission-house';

let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.drop());
afterEach(() => house.books());

describe('contention', () => {
  test('200 concurrent callers on a budget for ten: exactly ten are placed', async () => {
    await house.account('ten', { funds: ['10'] });
    const decisions = await Promise.all(
      Array.from({ length: 200 }, () => house.admission.check(check('ten', 1), caller())),
    );
    expect(placedOf(decisions)).toHaveLength(10);
    expect(new Set(placedOf(decisions).map(({ holdId }) => holdId)).size).toBe(10);
    expect(await house.totals('ten')).toMatchObject({ held: usd('10') });
  });
});
